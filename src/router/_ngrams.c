/* Hashed n-grams of one text, summed over int8 tables: the arithmetic of features.py, known_ngrams.py, reading.py,
   signals/windows.py and local/static.py.

   The numpy code there is the reference: it trains, it runs where this file could not be compiled, and the tests hold
   both to the same numbers. Sums are exact integers here, so that only the last rounding may differ.
   Stable ABI of CPython 3.11; every buffer's size is checked against what the caller says of it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 32768
#define MAX_ORDER 8
#define KNOWN_BITS 20
#define POWERS 48 /* as long as words are, and longer than any n-gram of characters */

static const uint64_t BASE = 0x9E3779B97F4A7C15ULL, MIX = 0xFF51AFD7ED558CCDULL, STEP = 0xC4CEB9FE1A85EC53ULL,
                      WIDE = 0x9FB21C651E98DF25ULL;

enum { BLANK, WORD, PUNCT };
static uint8_t CLASS[256], LENGTH[256], IS_WIDE[256];
static uint64_t POWER[POWERS];

static void fill_tables(void) {
    for (int c = 0; c < 256; c++) {
        int word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c == '_' || c >= 128;
        CLASS[c] = word ? WORD : PUNCT;
        LENGTH[c] = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        IS_WIDE[c] = c >= 0xE0 && c != 0xE2;
    }
    for (const char *c = " \t\r\n\x0b\x0c"; *c; c++) CLASS[(uint8_t)*c] = BLANK;
    POWER[0] = 1;
    for (int i = 1; i < POWERS; i++) POWER[i] = POWER[i - 1] * BASE;
}

/* ---- A text and its tokens -------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *data;
    uint8_t *joined; /* owned copy of head and tail, when the middle is left out */
    int32_t n_bytes, n_tokens;
    uint64_t *tokens;
    int32_t *starts, *ends;
} Text;

static void text_free(Text *text) {
    free(text->tokens);
    free(text->joined);
}

static inline uint64_t bytes_hash(const uint8_t *data, int32_t from, int32_t to) {
    uint64_t hash = 0;
    for (int32_t i = from; i < to; i++) hash += (data[i] + 1ULL) * POWER[i - from];
    return hash;
}

/* As bytes_hash, of any length. */
static inline uint64_t word_hash(const uint8_t *data, int32_t from, int32_t to) {
    if (to - from <= POWERS) return bytes_hash(data, from, to);
    uint64_t hash = 0, power = 1;
    for (int32_t i = from; i < to; i++, power *= BASE) hash += (data[i] + 1ULL) * power;
    return hash;
}

/* Adds the tokens that stand in data[from:to] whole; shift is how far they move to the left. */
static void text_add(Text *text, const uint8_t *data, int32_t from, int32_t to, int32_t n, int32_t shift) {
    int32_t count = text->n_tokens, i = from;
    if (from > 0 && CLASS[data[from - 1]] == WORD)
        while (i < to && CLASS[data[i]] == WORD) i++;
    while (i < to) {
        int class = CLASS[data[i]];
        if (class == BLANK) {
            i++;
            continue;
        }
        int32_t start = i++;
        if (class == WORD) {
            while (i < to && CLASS[data[i]] == WORD) i++;
            if (i == to && to < n && CLASS[data[to]] == WORD) break;
        }
        uint64_t hash = word_hash(data, start, i);
        hash ^= hash >> 29;
        text->tokens[count] = hash * MIX;
        text->starts[count] = start - shift;
        text->ends[count++] = i - shift;
    }
    text->n_tokens = count;
}

/* Reads the first head and the last tail bytes, without tokens that a cut falls into; all where there are no more.
   Returns 0, or -1 without memory. starts and ends share the block of tokens. */
static int text_read(Text *text, const uint8_t *data, int32_t n, int32_t head, int32_t tail) {
    int is_cut = n > head + tail;
    int32_t room = is_cut ? head + tail : n;
    memset(text, 0, sizeof *text);
    text->data = data;
    text->n_bytes = room;
    text->tokens = malloc((size_t)(room + 1) * (sizeof(uint64_t) + 2 * sizeof(int32_t)));
    if (!text->tokens) return -1;
    text->starts = (int32_t *)(text->tokens + room + 1);
    text->ends = text->starts + room + 1;
    if (!is_cut) {
        text_add(text, data, 0, n, n, 0);
        return 0;
    }
    if (!(text->joined = malloc((size_t)room + 1))) return -1;
    memcpy(text->joined, data, (size_t)head);
    memcpy(text->joined + head, data + n - tail, (size_t)tail);
    text->data = text->joined;
    text_add(text, data, 0, head, n, 0);
    text_add(text, data, n - tail, n, n, n - tail - head);
    return 0;
}

static inline uint64_t mixed(uint64_t gram) {
    gram *= STEP;
    gram ^= gram >> 31;
    return gram * MIX;
}

static inline uint64_t extended(uint64_t gram, uint64_t token) {
    gram = gram * STEP + token;
    gram ^= gram >> 31;
    return gram * MIX;
}

/* ---- Sums of table rows ----------------------------------------------------------------------------------------- */

typedef struct {
    const int8_t *table;
    int32_t width;
    int16_t *part;  /* of at most 255 rows, so that it fits */
    int32_t *total; /* what part was emptied into */
    int filled;
} Sum;

static void sum_empty(Sum *sum) {
    for (int32_t j = 0; j < sum->width; j++) {
        sum->total[j] += sum->part[j];
        sum->part[j] = 0;
    }
    sum->filled = 0;
}

/* Vectors of 32 bytes where the processor has them; chosen when the module is loaded. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define BEST_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define BEST_VECTORS
#endif
#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)0)
#endif
#define AHEAD 24 /* a row is rarely in a near cache: so many rows are asked for before they are added */

/* So few columns are added one by one. */
#define NARROW(COLUMNS)                                                                                               \
    case COLUMNS: {                                                                                                    \
        int32_t added[COLUMNS] = {0};                                                                                  \
        for (int32_t i = 0; i < n; i++) {                                                                              \
            if (i + AHEAD < n) PREFETCH(sum->table + (size_t)rows[i + AHEAD] * COLUMNS);                               \
            for (int j = 0; j < COLUMNS; j++) added[j] += sum->table[(size_t)rows[i] * COLUMNS + j];                   \
        }                                                                                                              \
        for (int j = 0; j < COLUMNS; j++) sum->total[j] += added[j];                                                   \
        return;                                                                                                        \
    }

#define BLOCK 32 /* columns that are summed together, so that their sums stay in registers */

BEST_VECTORS static void add_rows(const int8_t *table, int32_t width, int16_t *restrict part, const uint32_t *rows,
                                  int32_t n) {
    int32_t from = 0;
#if defined(__GNUC__)
    typedef int8_t Values __attribute__((vector_size(BLOCK / 2)));
    typedef int16_t Sums __attribute__((vector_size(BLOCK)));
    for (; from + BLOCK <= width; from += BLOCK) {
        const int8_t *column = table + from;
        Values first, second;
        Sums low, high;
        memcpy(&low, part + from, sizeof low);
        memcpy(&high, part + from + BLOCK / 2, sizeof high);
        for (int32_t i = 0; i < n; i++) {
            if (i + AHEAD < n) PREFETCH(column + (size_t)rows[i + AHEAD] * (size_t)width);
            const int8_t *values = column + (size_t)rows[i] * (size_t)width;
            memcpy(&first, values, sizeof first);
            memcpy(&second, values + BLOCK / 2, sizeof second);
            low += __builtin_convertvector(first, Sums);
            high += __builtin_convertvector(second, Sums);
        }
        memcpy(part + from, &low, sizeof low);
        memcpy(part + from + BLOCK / 2, &high, sizeof high);
    }
#endif
    if (from == width) return;
    for (int32_t i = 0; i < n; i++) {
        const int8_t *restrict values = table + (size_t)rows[i] * (size_t)width;
        for (int32_t j = from; j < width; j++) part[j] = (int16_t)(part[j] + values[j]);
    }
}

static void sum_rows(Sum *sum, const uint32_t *rows, int32_t n) {
    switch (sum->width) {
        NARROW(2)
        NARROW(3)
        NARROW(4)
        NARROW(5)
        NARROW(6)
        NARROW(7)
        NARROW(8)
    }
    while (n > 0) {
        int32_t count = n < 255 - sum->filled ? n : 255 - sum->filled;
        add_rows(sum->table, sum->width, sum->part, rows, count);
        rows += count;
        n -= count;
        if ((sum->filled += count) == 255) sum_empty(sum);
    }
}

/* Adds what was summed, over the root of its count, to out, and begins anew. */
static void sum_take(Sum *sum, int32_t count, float *out) {
    sum_empty(sum);
    float scale = count > 0 ? 1.0f / sqrtf((float)count) : 0.0f;
    for (int32_t j = 0; j < sum->width; j++) {
        out[j] += scale * (float)sum->total[j];
        sum->total[j] = 0;
    }
}

static int sum_new(Sum *sum, const int8_t *table, int32_t width) {
    int32_t *block = calloc((size_t)width, sizeof(int32_t) + sizeof(int16_t));
    *sum = (Sum){table, width, (int16_t *)(block + width), block, 0};
    return block ? 0 : -1;
}

/* Iterate over the n-grams of wide scripts of one order: begins[] holds where they begin, ends[] where they end; both
   are advanced in place. Returns how many there are. */
static int32_t wide_start(const Text *text, int32_t *begins, int32_t *ends) {
    int32_t count = 0;
    for (int32_t i = 0; i < text->n_bytes; i++)
        if (IS_WIDE[text->data[i]]) begins[count] = ends[count] = i, count++;
    return count;
}

static int32_t wide_extend(const Text *text, int32_t *begins, int32_t *ends, int32_t count) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        if (ends[i] >= text->n_bytes) continue;
        int32_t end = ends[i] + LENGTH[text->data[ends[i]]];
        begins[kept] = begins[i];
        ends[kept++] = end < text->n_bytes ? end : text->n_bytes;
    }
    return kept;
}

static inline uint64_t wide_hash(const Text *text, int32_t begin, int32_t end) {
    return mixed(bytes_hash(text->data, begin, end) * WIDE);
}

static int has_wide(const Text *text) {
    for (int32_t i = 0; i < text->n_bytes; i++)
        if (IS_WIDE[text->data[i]]) return 1;
    return 0;
}

/* ---- Arguments -------------------------------------------------------------------------------------------------- */

static int fits(const Py_buffer *view, Py_ssize_t items, Py_ssize_t size, const char *name) {
    if (items >= 0 && view->len == items * size) return 1;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, %zd are expected", name, view->len, items * size);
    return 0;
}

static int in_range(long value, long low, long high, const char *name) {
    if (value >= low && value <= high) return 1;
    PyErr_Format(PyExc_ValueError, "%s is %ld, not in %ld..%ld", name, value, low, high);
    return 0;
}

static PyObject *tuple_of(const double *values, Py_ssize_t n) {
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple && i < n; i++) {
        PyObject *value = PyFloat_FromDouble(values[i]);
        if (!value) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, i, value);
    }
    return tuple;
}

/* ---- task_scores: a whole request, at three places ---------------------------------------------------------------- */

static inline int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

/* One block of n-grams: all rows, the first head of them, and those from tail on. */
static void sum_places(Sum *sum, const uint32_t *rows, int32_t size, int32_t head, int32_t tail, float *out) {
    sum_rows(sum, rows, size);
    sum_take(sum, size, out);
    sum_rows(sum, rows, head);
    sum_take(sum, head, out + sum->width);
    if (tail < size) sum_rows(sum, rows + tail, size - tail);
    sum_take(sum, size - tail, out + 2 * sum->width);
}

/* Fills out (3 * width floats) as features.read and one product do; returns -1 without memory. */
static int read_places(const Text *text, int words, int chars, int wide, int32_t edge, int bits, const int8_t *table,
                       int32_t width, float *out) {
    Sum sum;
    int shift = 64 - bits, order, status = -1;
    int32_t n = text->n_tokens, bytes = text->n_bytes, *begins = NULL;
    uint64_t *grams = malloc((size_t)(n + 1) * sizeof *grams);
    uint32_t *rows = malloc((size_t)(bytes + 1) * sizeof *rows);
    if (sum_new(&sum, table, width) || !grams || !rows) goto done;
    memcpy(grams, text->tokens, (size_t)n * sizeof *grams);
    int32_t size = n, tail = n > edge ? n - edge : 0;
    for (order = 1; words >> order; order++) {
        if (order > 1) {
            if (size < 2) break;
            size--;
            for (int32_t i = 0; i < size; i++) grams[i] = extended(grams[i], text->tokens[i + order - 1]);
        }
        if (!(words >> order & 1)) continue;
        for (int32_t i = 0; i < size; i++) rows[i] = (uint32_t)(grams[i] >> shift);
        sum_places(&sum, rows, size, smaller(edge, size), tail, out);
    }
    int32_t head_byte = n > edge ? text->ends[edge - 1] : bytes, tail_byte = n > edge ? text->starts[n - edge] : 0;
    if (wide && has_wide(text)) {
        if (!(begins = malloc((size_t)bytes * 2 * sizeof *begins))) goto done;
        int32_t *ends = begins + bytes, count = wide_start(text, begins, ends);
        for (order = 1; wide >> order; order++) {
            count = wide_extend(text, begins, ends, count);
            if (!(wide >> order & 1) || !count) continue;
            int32_t head = 0, first = 0;
            while (head < count && begins[head] < head_byte) head++;
            while (first < count && begins[first] < tail_byte) first++;
            for (int32_t i = 0; i < count; i++) rows[i] = (uint32_t)(wide_hash(text, begins[i], ends[i]) >> shift);
            sum_places(&sum, rows, count, head, first, out);
        }
    }
    if (chars && bytes >= chars) {
        int32_t count = bytes - chars + 1;
        for (int32_t i = 0; i < count; i++) rows[i] = (uint32_t)(mixed(bytes_hash(text->data, i, i + chars)) >> shift);
        sum_places(&sum, rows, count, smaller(head_byte, count), smaller(tail_byte, count), out);
    }
    status = 0;
done:
    free(begins);
    free(rows);
    free(grams);
    free(sum.total);
    return status;
}

BEST_VECTORS static void add_scaled(double *restrict scores, const float *restrict row, double by, Py_ssize_t n) {
    for (Py_ssize_t k = 0; k < n; k++) scores[k] += by * (double)row[k];
}

PyDoc_STRVAR(task_scores_doc,
             "task_scores(data, head, tail, words, chars, wide, edge, bits, table, weights, bias) -> tuple[float, ...]\n\n"
             "Raw scores, one a column of weights, of the lower-cased UTF-8 bytes data; empty when it has no token.\n"
             "words, wide: bit k set for order k. table: int8 (2**bits, width); weights: float32 (3 * width, labels);\n"
             "bias: float32 (labels,). Raises ValueError when sizes do not fit.");

static PyObject *task_scores(PyObject *module, PyObject *args) {
    Py_buffer data, table, weights, bias;
    int head, tail, words, chars, wide, edge, bits;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*iiiiiiiy*y*y*", &data, &head, &tail, &words, &chars, &wide, &edge, &bits, &table,
                          &weights, &bias))
        return NULL;
    PyObject *result = NULL;
    Text text = {0};
    float *sums = NULL;
    double *scores = NULL;
    Py_ssize_t width = bits >= 1 && bits <= 24 ? table.len >> bits : 0, labels = bias.len / 4;
    if (!in_range(bits, 1, 24, "bits") || !in_range(data.len, 0, MAX_BYTES, "data") ||
        !in_range(head, 0, MAX_BYTES, "head") || !in_range(tail, 0, MAX_BYTES, "tail") ||
        !in_range(words, 0, (2 << MAX_ORDER) - 1, "words") || !in_range(wide, 0, (2 << 4) - 1, "wide") ||
        !in_range(chars, 0, MAX_ORDER, "chars") || !in_range(edge, 1, MAX_BYTES, "edge") ||
        !in_range(width, 1, 65536, "width") || !fits(&table, width << bits, 1, "table") ||
        !fits(&bias, labels, 4, "bias") || !fits(&weights, 3 * width * labels, 4, "weights"))
        goto done;
    sums = calloc((size_t)(3 * width), sizeof *sums);
    scores = calloc((size_t)labels + 1, sizeof *scores);
    if (!sums || !scores || text_read(&text, data.buf, (int32_t)data.len, head, tail)) {
        PyErr_NoMemory();
        goto done;
    }
    if (!text.n_tokens) {
        result = PyTuple_New(0);
        goto done;
    }
    if (read_places(&text, words, chars, wide, edge, bits, table.buf, (int32_t)width, sums)) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t k = 0; k < labels; k++) scores[k] = ((const float *)bias.buf)[k];
    for (Py_ssize_t j = 0; j < 3 * width; j++)
        if (sums[j] != 0.0f) add_scaled(scores, (const float *)weights.buf + j * labels, (double)sums[j], labels);
    result = tuple_of(scores, labels);
done:
    text_free(&text);
    free(sums);
    free(scores);
    PyBuffer_Release(&data);
    PyBuffer_Release(&table);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&bias);
    return result;
}

PyDoc_STRVAR(softmax_doc,
             "softmax(scores, temperature) -> tuple[float, ...]\n\n"
             "The exponentials of a tuple of scores over temperature, scaled so that they add up to one.");

static PyObject *softmax(PyObject *module, PyObject *args) {
    PyObject *scores;
    double temperature, top = -INFINITY, total = 0.0, values[256];
    (void)module;
    if (!PyArg_ParseTuple(args, "O!d", &PyTuple_Type, &scores, &temperature)) return NULL;
    Py_ssize_t n = PyTuple_Size(scores);
    if (!in_range(n, 0, 256, "scores")) return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        values[i] = PyFloat_AsDouble(PyTuple_GetItem(scores, i));
        if (PyErr_Occurred()) return NULL;
        if (values[i] > top) top = values[i];
    }
    for (Py_ssize_t i = 0; i < n; i++) total += values[i] = exp((values[i] - top) / temperature);
    for (Py_ssize_t i = 0; i < n; i++) values[i] /= total;
    return tuple_of(values, n);
}

/* ---- worst_windows: the highest score of each head over sliding windows ------------------------------------------- */

/* running[i] is the sum of the first i rows of heads int32 values. */
static void run_sums(int32_t *running, const uint64_t *grams, int32_t n, int shift, const int8_t *table,
                     int32_t heads) {
    memset(running, 0, (size_t)heads * sizeof *running);
    if (heads == 4) { /* as many as are shipped: their sums stay in registers */
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (int32_t i = 0; i < n; i++) {
            if (i + AHEAD < n) PREFETCH(table + (grams[i + AHEAD] >> shift) * 4);
            const int8_t *row = table + (grams[i] >> shift) * 4;
            int32_t *next = running + (size_t)(i + 1) * 4;
            next[0] = a += row[0], next[1] = b += row[1], next[2] = c += row[2], next[3] = d += row[3];
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const int8_t *row = table + (grams[i] >> shift) * (uint64_t)heads;
        for (int32_t h = 0; h < heads; h++) running[(i + 1) * heads + h] = running[i * heads + h] + row[h];
    }
}

static void add_range(double *score, const int32_t *running, int32_t from, int32_t to, int32_t count, int32_t heads) {
    if (to <= from) return;
    double scale = 1.0 / sqrt((double)count);
    for (int32_t h = 0; h < heads; h++)
        score[h] += scale * (double)(running[to * heads + h] - running[from * heads + h]);
}

static int32_t first_at(const int32_t *begins, int32_t count, int32_t byte) {
    int32_t low = 0, high = count;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (begins[middle] < byte) low = middle + 1;
        else high = middle;
    }
    return low;
}

typedef struct {
    int32_t *running, *begins;
    int32_t count;
} WideBlock;

PyDoc_STRVAR(worst_windows_doc,
             "worst_windows(data, bits, size, step, table, scale, bias) -> tuple[tuple[float, int, int], ...]\n\n"
             "For each head its highest raw score over the windows of size tokens, begun every step tokens, and the\n"
             "bytes of data at which that window begins and ends. table: int8 (2**bits, heads); scale, bias: float32\n"
             "(heads,). Raises ValueError when sizes do not fit.");

static PyObject *worst_windows(PyObject *module, PyObject *args) {
    Py_buffer data, table, scale, bias;
    int bits, size, step;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*iiiy*y*y*", &data, &bits, &size, &step, &table, &scale, &bias)) return NULL;
    PyObject *result = NULL;
    Text text = {0};
    WideBlock wide[2] = {{0}};
    int32_t *tokens = NULL, *pairs = NULL, *ends = NULL;
    uint64_t *grams = NULL;
    double *score = NULL;
    int32_t *best = NULL;
    Py_ssize_t heads = bias.len / 4;
    if (!in_range(bits, 1, 24, "bits") || !in_range(data.len, 0, MAX_BYTES, "data") ||
        !in_range(size, 2, MAX_BYTES, "size") || !in_range(step, 1, size, "step") ||
        !in_range(heads, 1, 1024, "heads") || !fits(&bias, heads, 4, "bias") || !fits(&scale, heads, 4, "scale") ||
        !fits(&table, heads << bits, 1, "table"))
        goto done;
    int shift = 64 - bits;
    int32_t k = (int32_t)heads;
    if (text_read(&text, data.buf, (int32_t)data.len, MAX_BYTES, 0)) goto no_memory;
    int32_t n = text.n_tokens;
    size_t room = ((size_t)n + 1) * (size_t)k;
    tokens = malloc(room * sizeof *tokens);
    pairs = malloc(room * sizeof *pairs);
    grams = malloc(((size_t)(n > text.n_bytes ? n : text.n_bytes) + 1) * sizeof *grams);
    score = malloc(2 * (size_t)k * sizeof *score);
    best = calloc(2 * (size_t)k, sizeof *best);
    if (!tokens || !pairs || !grams || !score || !best) goto no_memory;
    run_sums(tokens, text.tokens, n, shift, table.buf, k);
    for (int32_t i = 0; i + 1 < n; i++) grams[i] = extended(text.tokens[i], text.tokens[i + 1]);
    run_sums(pairs, grams, n > 0 ? n - 1 : 0, shift, table.buf, k);
    if (n && has_wide(&text)) {
        int32_t bytes = text.n_bytes;
        for (int order = 0; order < 2; order++) {
            wide[order].begins = malloc(((size_t)bytes + 1) * sizeof *wide[order].begins);
            wide[order].running = malloc(((size_t)bytes + 1) * (size_t)k * sizeof *wide[order].running);
            if (!wide[order].begins || !wide[order].running) goto no_memory;
        }
        if (!(ends = malloc(((size_t)bytes + 1) * sizeof *ends))) goto no_memory;
        int32_t count = wide_start(&text, wide[0].begins, ends);
        for (int order = 0; order < 2; order++) {
            WideBlock *block = &wide[order];
            if (order) memcpy(block->begins, wide[0].begins, (size_t)count * sizeof *block->begins);
            count = wide_extend(&text, block->begins, ends, count);
            block->count = count;
            for (int32_t i = 0; i < count; i++) grams[i] = wide_hash(&text, block->begins[i], ends[i]);
            run_sums(block->running, grams, count, shift, table.buf, k);
        }
    }
    int is_whole = n <= size + step / 2;
    double *worst = score + k;
    for (int32_t first = 0, done = 0; !done; first += step) {
        int32_t from = is_whole ? 0 : smaller(first, n - size), to = is_whole ? n : from + size;
        done = is_whole || from + size >= n;
        for (int32_t h = 0; h < k; h++) score[h] = 0.0;
        add_range(score, tokens, from, to, to - from, k);
        add_range(score, pairs, from, to - 1, to - from - 1, k);
        for (int order = 0; order < 2; order++) {
            WideBlock *block = &wide[order];
            if (!block->count) continue;
            int32_t low = is_whole ? 0 : first_at(block->begins, block->count, text.starts[from]);
            int32_t high = is_whole ? block->count : first_at(block->begins, block->count, text.ends[to - 1]);
            add_range(score, block->running, low, high, high - low, k);
        }
        for (int32_t h = 0; h < k; h++) {
            score[h] = score[h] * ((const float *)scale.buf)[h] + ((const float *)bias.buf)[h];
            if (first == 0 || score[h] > worst[h]) worst[h] = score[h], best[2 * h] = from, best[2 * h + 1] = to;
        }
    }
    if (!(result = PyTuple_New(heads))) goto done;
    for (int32_t h = 0; h < k; h++) {
        int begin = n ? text.starts[best[2 * h]] : 0, end = n ? text.ends[best[2 * h + 1] - 1] : 0;
        PyObject *entry = Py_BuildValue("(dii)", worst[h], begin, end);
        if (!entry) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SetItem(result, h, entry);
    }
    goto done;
no_memory:
    PyErr_NoMemory();
done:
    for (int order = 0; order < 2; order++) free(wide[order].begins), free(wide[order].running);
    free(ends);
    free(best);
    free(score);
    free(grams);
    free(pairs);
    free(tokens);
    text_free(&text);
    PyBuffer_Release(&data);
    PyBuffer_Release(&table);
    PyBuffer_Release(&scale);
    PyBuffer_Release(&bias);
    return result;
}

/* ---- label_scores: a local model's reading of a text --------------------------------------------------------------- */

static inline int is_known(const uint8_t *known, uint64_t gram) {
    uint64_t fine = gram >> (64 - KNOWN_BITS);
    return known[fine >> 3] >> (fine & 7) & 1;
}

PyDoc_STRVAR(label_scores_doc,
             "label_scores(data, words, chars, bits, table, scale, bias, known)\n"
             "    -> tuple[tuple[float, ...], float, float, float] | None\n\n"
             "Raw scores, one a column of table, and the shares of known words, of known longer token n-grams and of\n"
             "known byte n-grams; None when data has no token. words, chars: bit k set for order k. table: int8\n"
             "(2**bits, columns); scale, bias: float32 (columns,); known: 2**20 bits. Raises ValueError when sizes do\n"
             "not fit.");

static PyObject *label_scores(PyObject *module, PyObject *args) {
    Py_buffer data, table, scale, bias, known;
    int words, chars, bits;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*iiiy*y*y*y*", &data, &words, &chars, &bits, &table, &scale, &bias, &known))
        return NULL;
    PyObject *result = NULL, *scores = NULL;
    Text text = {0};
    Sum sum = {0};
    float *sums = NULL;
    double *values = NULL;
    uint64_t *grams = NULL, *hashes = NULL;
    uint32_t *rows = NULL;
    Py_ssize_t width = bias.len / 4;
    if (!in_range(bits, 1, KNOWN_BITS, "bits") || !in_range(data.len, 0, MAX_BYTES, "data") ||
        !in_range(words, 2, (2 << MAX_ORDER) - 1, "words") || !in_range(chars, 0, (2 << MAX_ORDER) - 1, "chars") ||
        !in_range(width, 1, 65536, "columns") || !fits(&bias, width, 4, "bias") || !fits(&scale, width, 4, "scale") ||
        !fits(&table, width << bits, 1, "table") || !fits(&known, (1 << KNOWN_BITS) / 8, 1, "known"))
        goto done;
    if (text_read(&text, data.buf, (int32_t)data.len, MAX_BYTES, 0)) goto no_memory;
    int32_t n = text.n_tokens, bytes = text.n_bytes;
    if (!n) {
        result = Py_None;
        Py_INCREF(result);
        goto done;
    }
    sums = calloc((size_t)width, sizeof *sums);
    values = calloc((size_t)width, sizeof *values);
    grams = malloc(((size_t)n + 1) * sizeof *grams);
    rows = malloc(((size_t)bytes + 1) * sizeof *rows);
    hashes = calloc((size_t)bytes + 1, sizeof *hashes);
    if (!sums || !values || !grams || !rows || !hashes || sum_new(&sum, table.buf, (int32_t)width)) goto no_memory;
    int shift = 64 - bits;
    int32_t counts[3] = {0}, seen[3] = {0}, size = n;
    memcpy(grams, text.tokens, (size_t)n * sizeof *grams);
    for (int order = 1; words >> order; order++) {
        if (order > 1) {
            if (size < 2) break;
            size--;
            for (int32_t i = 0; i < size; i++) grams[i] = extended(grams[i], text.tokens[i + order - 1]);
        }
        if (!(words >> order & 1)) continue;
        int kind = order > 1;
        counts[kind] += size;
        for (int32_t i = 0; i < size; i++) {
            rows[i] = (uint32_t)(grams[i] >> shift);
            seen[kind] += is_known(known.buf, grams[i]);
        }
        sum_rows(&sum, rows, size);
    }
    sum_take(&sum, counts[0] + counts[1], sums);
    /* One byte more makes the hashes of an order those of the next. */
    for (int order = 1; chars >> order && order <= bytes; order++) {
        int32_t count = bytes - order + 1;
        for (int32_t i = 0; i < count; i++) hashes[i] += (text.data[i + order - 1] + 1ULL) * POWER[order - 1];
        if (!(chars >> order & 1)) continue;
        counts[2] += count;
        for (int32_t i = 0; i < count; i++) {
            uint64_t gram = mixed(hashes[i]);
            rows[i] = (uint32_t)(gram >> shift);
            seen[2] += is_known(known.buf, gram);
        }
        sum_rows(&sum, rows, count);
    }
    sum_take(&sum, counts[2], sums);
    for (Py_ssize_t k = 0; k < width; k++)
        values[k] = (double)sums[k] * ((const float *)scale.buf)[k] + ((const float *)bias.buf)[k];
    double shares[3] = {0};
    for (int kind = 0; kind < 3; kind++) shares[kind] = counts[kind] ? (double)seen[kind] / counts[kind] : shares[0];
    if ((scores = tuple_of(values, width)))
        result = Py_BuildValue("(Nddd)", scores, shares[0], shares[1], shares[2]);
    goto done;
no_memory:
    PyErr_NoMemory();
done:
    free(sum.total);
    free(hashes);
    free(rows);
    free(grams);
    free(values);
    free(sums);
    text_free(&text);
    PyBuffer_Release(&data);
    PyBuffer_Release(&table);
    PyBuffer_Release(&scale);
    PyBuffer_Release(&bias);
    PyBuffer_Release(&known);
    return result;
}

/* ---- word_sum: the word vectors of a text, summed ------------------------------------------------------------------- */

PyDoc_STRVAR(word_sum_doc,
             "word_sum(data, keys, vectors) -> bytes | None\n\n"
             "The sum of the rows of vectors, int8 (words, width), whose key, the upper half of a token's hash, stands in\n"
             "keys, uint32 (words,), rising: int32 (width,). None when no token of data does. Raises ValueError when\n"
             "sizes do not fit.");

static PyObject *word_sum(PyObject *module, PyObject *args) {
    Py_buffer data, keys, vectors;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*y*", &data, &keys, &vectors)) return NULL;
    PyObject *result = NULL;
    Text text = {0};
    Sum sum = {0};
    uint32_t *rows = NULL;
    Py_ssize_t words = keys.len / 4, width = words ? vectors.len / words : 0;
    if (!in_range(data.len, 0, MAX_BYTES, "data") || !in_range(words, 1, 1 << 24, "words") ||
        !in_range(width, 9, 65536, "columns") || !fits(&keys, words, 4, "keys") ||
        !fits(&vectors, words * width, 1, "vectors"))
        goto done;
    if (text_read(&text, data.buf, (int32_t)data.len, MAX_BYTES, 0)) goto no_memory;
    rows = malloc(((size_t)text.n_tokens + 1) * sizeof *rows);
    if (!rows || sum_new(&sum, vectors.buf, (int32_t)width)) goto no_memory;
    const uint32_t *known = keys.buf;
    int32_t count = 0;
    for (int32_t i = 0; i < text.n_tokens; i++) {
        uint32_t asked = (uint32_t)(text.tokens[i] >> 32), low = 0, high = (uint32_t)words;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (known[middle] < asked)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < (uint32_t)words && known[low] == asked) rows[count++] = low;
    }
    if (count) {
        sum_rows(&sum, rows, count);
        sum_empty(&sum);
        result = PyBytes_FromStringAndSize((const char *)sum.total, width * (Py_ssize_t)sizeof *sum.total);
    } else {
        result = Py_None;
        Py_INCREF(result);
    }
    goto done;
no_memory:
    PyErr_NoMemory();
done:
    free(sum.total);
    free(rows);
    text_free(&text);
    PyBuffer_Release(&data);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&vectors);
    return result;
}

/* ---- census: how many bytes of which kind --------------------------------------------------------------------------- */

PyDoc_STRVAR(census_doc,
             "census(data) -> tuple[int, int, int, int, int, int, int, int]\n\n"
             "How many bytes of UTF-8 are small ASCII letters, capitals, digits, printable marks, blanks, pairs of\n"
             "blanks (none overlapping), and line breaks; and 1 where \"!!\", \"??\" or \"...\" stands, else 0.");

enum { SMALL, CAPITALS, DIGITS, PRINTABLE, BLANKS, BREAKS, TWINS, STRETCHES, N_COUNTS };
#define COUNTED 128 /* so many bytes at once, so that a count fits into one byte and many of them into a vector */

/* Counts over bytes[0:n], of which n + 2 can be read; n is at most COUNTED. */
BEST_VECTORS static void count_bytes(const uint8_t *bytes, int n, Py_ssize_t *counts) {
    uint8_t small = 0, capitals = 0, digits = 0, printable = 0, blanks = 0, breaks = 0, twins = 0, stretches = 0;
    for (int i = 0; i < n; i++) {
        uint8_t byte = bytes[i], next = bytes[i + 1], third = bytes[i + 2];
        small += (uint8_t)(byte - 'a') < 26;
        capitals += (uint8_t)(byte - 'A') < 26;
        digits += (uint8_t)(byte - '0') < 10;
        printable += (uint8_t)(byte - 33) < 94;
        blanks += byte == ' ';
        breaks += byte == '\n';
        twins += (byte == ' ') & (next == ' ');
        stretches |= (byte == next) & ((byte == '!') | (byte == '?') | ((byte == '.') & (third == '.')));
    }
    counts[SMALL] += small, counts[CAPITALS] += capitals, counts[DIGITS] += digits, counts[PRINTABLE] += printable;
    counts[BLANKS] += blanks, counts[BREAKS] += breaks, counts[TWINS] += twins, counts[STRETCHES] |= stretches;
}

static PyObject *census(PyObject *module, PyObject *data) {
    (void)module;
    char *text;
    Py_ssize_t size, pairs = 0, counts[N_COUNTS] = {0}, at = 0;
    if (PyBytes_AsStringAndSize(data, &text, &size)) return NULL;
    const uint8_t *bytes = (const uint8_t *)text;
    for (; at + COUNTED + 2 <= size; at += COUNTED) count_bytes(bytes + at, COUNTED, counts);
    while (at < size) {
        /* What is left is read with two bytes behind it that belong to nothing. */
        uint8_t last[COUNTED + 2] = {0};
        Py_ssize_t left = size - at, n = left < COUNTED ? left : COUNTED;
        memcpy(last, bytes + at, (size_t)(left < COUNTED + 2 ? left : COUNTED + 2));
        count_bytes(last, (int)n, counts);
        at += n;
    }
    for (Py_ssize_t i = 0; counts[TWINS] && i + 1 < size; i++)
        if (bytes[i] == ' ' && bytes[i + 1] == ' ') pairs++, i++;
    Py_ssize_t marks = counts[PRINTABLE] - counts[SMALL] - counts[CAPITALS] - counts[DIGITS];
    return Py_BuildValue("(nnnnnnnn)", counts[SMALL], counts[CAPITALS], counts[DIGITS], marks, counts[BLANKS], pairs,
                         counts[BREAKS], counts[STRETCHES]);
}

/* ---- _words.c ------------------------------------------------------------------------------------------------------ */

void words_fill_tables(void);
PyObject *words_make(PyObject *module, PyObject *args);
PyObject *words_groups(PyObject *module, PyObject *args);
PyObject *words_count(PyObject *module, PyObject *data);
PyObject *phrases_make(PyObject *module, PyObject *list);
PyObject *phrases_in(PyObject *module, PyObject *args);

#define VERSION 5 /* features.py asks for it: a module that is older than its sources is not used */

/* ---- Module ------------------------------------------------------------------------------------------------------- */

static PyMethodDef METHODS[] = {
    {"task_scores", task_scores, METH_VARARGS, task_scores_doc},
    {"softmax", softmax, METH_VARARGS, softmax_doc},
    {"worst_windows", worst_windows, METH_VARARGS, worst_windows_doc},
    {"label_scores", label_scores, METH_VARARGS, label_scores_doc},
    {"word_sum", word_sum, METH_VARARGS, word_sum_doc},
    {"census", census, METH_O, census_doc},
    {"words", words_make, METH_VARARGS, NULL},
    {"word_groups", words_groups, METH_VARARGS, NULL},
    {"word_count", words_count, METH_O, NULL},
    {"phrases", phrases_make, METH_O, NULL},
    {"phrases_in", phrases_in, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_ngrams", "Hashed n-grams summed over int8 tables.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__ngrams(void) {
    fill_tables();
    words_fill_tables();
    PyObject *module = PyModule_Create(&MODULE);
    if (module && PyModule_AddIntConstant(module, "VERSION", VERSION)) Py_CLEAR(module);
    return module;
}
