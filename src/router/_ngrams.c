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

static const uint64_t BASE = 0x9E3779B97F4A7C15ULL, MIX = 0xFF51AFD7ED558CCDULL, STEP = 0xC4CEB9FE1A85EC53ULL,
                      WIDE = 0x9FB21C651E98DF25ULL;

enum { BLANK = 0, WORD = 1, MARK = 2 }; /* kinds of bytes */
static uint8_t KIND[256], LENGTH[256], IS_WIDE[256];
static uint64_t POWER[MAX_BYTES + 1], INVERSE[MAX_BYTES + 1];

static void fill_tables(void) {
    for (int c = 0; c < 256; c++) {
        int word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c == '_' || c >= 128;
        KIND[c] = word ? WORD : MARK;
        LENGTH[c] = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        IS_WIDE[c] = c >= 0xE0 && c != 0xE2;
    }
    for (const char *c = " \t\r\n\x0b\x0c"; *c; c++) KIND[(uint8_t)*c] = BLANK;
    uint64_t inverse = BASE;
    for (int i = 0; i < 6; i++) inverse *= 2 - BASE * inverse; /* Newton: each step doubles the bits that are right */
    POWER[0] = INVERSE[0] = 1;
    for (int i = 1; i <= MAX_BYTES; i++) POWER[i] = POWER[i - 1] * BASE, INVERSE[i] = INVERSE[i - 1] * inverse;
}

/* ---- Bytes, 64 at a time ----------------------------------------------------------------------------------------- */

/* What is told of each byte becomes a bit, so that the ends of words are found by arithmetic and not by a branch a
   byte, which no processor foresees. */
#define BLOCK_BYTES 64

/* Bit i tells whether kinds[i] has the bit. */
static inline uint64_t packed(const uint8_t kinds[BLOCK_BYTES], int bit) {
    uint64_t bits = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (int i = 0; i < BLOCK_BYTES; i += 8) {
        uint64_t eight;
        memcpy(&eight, kinds + i, 8);
        bits |= ((eight >> bit & 0x0101010101010101ULL) * 0x0102040810204080ULL >> 56) << i;
    }
#else
    for (int i = 0; i < BLOCK_BYTES; i++) bits |= (uint64_t)(kinds[i] >> bit & 1) << i;
#endif
    return bits;
}

/* The number of the lowest bit that is set; one is. */
static inline int lowest(uint64_t bits) {
#if defined(__GNUC__)
    return __builtin_ctzll(bits);
#else
    int at = 0;
    for (; !(bits & 1); bits >>= 1) at++;
    return at;
#endif
}

/* The kinds of bytes[at:at + 64]; what stands behind the end of the bytes is of kind 0. */
static inline void kinds_at(uint8_t kinds[BLOCK_BYTES], const uint8_t table[256], const uint8_t *bytes, int64_t at,
                            int64_t size) {
    if (size - at >= BLOCK_BYTES) {
        for (int i = 0; i < BLOCK_BYTES; i++) kinds[i] = table[bytes[at + i]];
        return;
    }
    memset(kinds, 0, BLOCK_BYTES);
    for (int i = 0; i < size - at; i++) kinds[i] = table[bytes[at + i]];
}

/* ---- A text and its tokens -------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *data;
    uint8_t *joined; /* owned copy of head and tail, when the middle is left out */
    int32_t n_bytes, n_tokens;
    int has_wide;
    uint64_t *tokens, *prefix; /* prefix[i] is the hash of the first i bytes */
    int32_t *starts, *ends;
} Text;

static void text_free(Text *text) {
    free(text->tokens);
    free(text->joined);
}

static inline uint64_t bytes_hash(const Text *text, int32_t from, int32_t to) {
    return (text->prefix[to] - text->prefix[from]) * INVERSE[from];
}

/* Adds the tokens of data[from:to]: runs of the bytes of words, and single marks. */
static void text_add(Text *text, int32_t from, int32_t to) {
    int32_t *starts = text->starts + text->n_tokens, *ends = text->ends + text->n_tokens;
    uint64_t word_before = 0, mark_before = 0; /* whether the byte before the block is of this kind */
    for (int32_t at = from; at < to; at += BLOCK_BYTES) {
        uint8_t kinds[BLOCK_BYTES];
        kinds_at(kinds, KIND, text->data, at, to);
        uint64_t word = packed(kinds, 0), mark = packed(kinds, 1), behind_word = word << 1 | word_before;
        for (uint64_t bits = (word & ~behind_word) | mark; bits; bits &= bits - 1) *starts++ = at + lowest(bits);
        for (uint64_t bits = (behind_word & ~word) | mark << 1 | mark_before; bits; bits &= bits - 1)
            *ends++ = at + lowest(bits);
        word_before = word >> 63, mark_before = mark >> 63;
    }
    text->n_tokens = (int32_t)(starts - text->starts);
    if (ends - text->ends < text->n_tokens) *ends = to;
}

/* Reads the first head and the last tail bytes, without tokens that a cut falls into; all where there are no more.
   Returns 0, or -1 without memory. prefix, starts and ends share the block of tokens. */
static int text_read(Text *text, const uint8_t *data, int32_t n, int32_t head, int32_t tail) {
    int is_cut = n > head + tail;
    int32_t room = is_cut ? head + tail : n;
    memset(text, 0, sizeof *text);
    text->data = data;
    text->n_bytes = room;
    text->tokens = malloc((size_t)(room + 1) * 2 * (sizeof(uint64_t) + sizeof(int32_t)));
    if (!text->tokens) return -1;
    text->prefix = text->tokens + room + 1;
    text->starts = (int32_t *)(text->prefix + room + 1);
    text->ends = text->starts + room + 1;
    if (is_cut) {
        if (!(text->joined = malloc((size_t)room + 1))) return -1;
        memcpy(text->joined, data, (size_t)head);
        memcpy(text->joined + head, data + n - tail, (size_t)tail);
        text->data = text->joined;
        text_add(text, 0, head);
        if (text->n_tokens && KIND[data[head - 1]] == WORD && KIND[data[head]] == WORD) text->n_tokens--;
        int32_t whole = head;
        if (KIND[data[n - tail - 1]] == WORD)
            while (whole < room && KIND[text->data[whole]] == WORD) whole++;
        text_add(text, whole, room);
    } else {
        text_add(text, 0, room);
    }
    data = text->data;
    uint64_t sum = text->prefix[0] = 0, *restrict tokens = text->tokens, *restrict prefix = text->prefix;
    uint8_t wide = 0;
    for (int32_t i = 0; i < room; i++) wide |= (data[i] >= 0xE0) & (data[i] != 0xE2);
    text->has_wide = wide;
    for (int32_t i = 0; i < room; i++) prefix[i + 1] = sum += (data[i] + 1ULL) * POWER[i];
    for (int32_t i = 0; i < text->n_tokens; i++) {
        int32_t start = text->starts[i];
        uint64_t hash = (prefix[text->ends[i]] - prefix[start]) * INVERSE[start];
        hash ^= hash >> 29;
        tokens[i] = hash * MIX;
    }
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

/* Inlined where width is a constant, so that a row's place is a shift and not a product. */
static inline void add_columns(const int8_t *table, int32_t width, int16_t *restrict part, const uint32_t *rows,
                               int32_t n) {
    int32_t from = 0;
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    typedef int16_t Pairs __attribute__((vector_size(BLOCK))); /* an even column and the odd one behind it */
    int32_t near = n > AHEAD ? n - AHEAD : 0;
    for (; from + BLOCK <= width; from += BLOCK) {
        const int8_t *column = table + from;
        Pairs pairs, even = {0}, odd = {0};
        for (int32_t i = 0; i < n; i++) {
            if (i < near) PREFETCH(column + (size_t)rows[i + AHEAD] * (size_t)width);
            memcpy(&pairs, column + (size_t)rows[i] * (size_t)width, sizeof pairs);
            even += pairs << 8 >> 8;
            odd += pairs >> 8;
        }
        for (int j = 0; j < BLOCK; j += 2) part[from + j] += even[j / 2], part[from + j + 1] += odd[j / 2];
    }
#endif
    if (from == width) return;
    for (int32_t i = 0; i < n; i++) {
        const int8_t *restrict values = table + (size_t)rows[i] * (size_t)width;
        for (int32_t j = from; j < width; j++) part[j] = (int16_t)(part[j] + values[j]);
    }
}

BEST_VECTORS static void add_rows(const int8_t *table, int32_t width, int16_t *restrict part, const uint32_t *rows,
                                  int32_t n) {
    if (width == BLOCK)
        add_columns(table, BLOCK, part, rows, n);
    else
        add_columns(table, width, part, rows, n);
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
    return mixed(bytes_hash(text, begin, end) * WIDE);
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

/* ---- task_scores: a whole request, at three places --------------------------------------------------------------- */

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
    if (wide && text->has_wide) {
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
        for (int32_t i = 0; i < count; i++) rows[i] = (uint32_t)(mixed(bytes_hash(text, i, i + chars)) >> shift);
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

/* Adds the weights' rows of n, each as often as its sum says. */
BEST_VECTORS static void add_weighed(double *restrict scores, const float *restrict weights, const float *restrict sums,
                                     Py_ssize_t rows, Py_ssize_t n) {
    for (Py_ssize_t j = 0; j < rows; j++) {
        if (sums[j] == 0.0f) continue;
        for (Py_ssize_t k = 0; k < n; k++) scores[k] += (double)sums[j] * (double)weights[j * n + k];
    }
}

/* Vectors of known words at three places, through one hidden layer; units is 0 where there is none. */
typedef struct {
    Py_buffer keys, vectors, scale, weights, weigh, bias, out, risks;
    int first, last;
    Py_ssize_t words, width, units, heads;
} WordLayer;

typedef struct {
    int head, tail, words, chars, wide, edge, bits;
    Py_buffer table, weights, bias;
    Py_ssize_t width, labels;
    WordLayer layer;
} Tasks;

static void layer_release(WordLayer *layer) {
    PyBuffer_Release(&layer->keys);
    PyBuffer_Release(&layer->vectors);
    PyBuffer_Release(&layer->scale);
    PyBuffer_Release(&layer->weights);
    PyBuffer_Release(&layer->weigh);
    PyBuffer_Release(&layer->bias);
    PyBuffer_Release(&layer->out);
    PyBuffer_Release(&layer->risks);
}

static void tasks_release(Tasks *tasks) {
    PyBuffer_Release(&tasks->table);
    PyBuffer_Release(&tasks->weights);
    PyBuffer_Release(&tasks->bias);
    layer_release(&tasks->layer);
}

/* Takes the layer from None or (keys, vectors, scale, weights, weigh, bias, out, risks, first, last); the sizes of
   tasks are known. Returns 0 with an error set where it does not fit. */
static int layer_take(Tasks *tasks, PyObject *given) {
    WordLayer *layer = &tasks->layer;
    if (given == Py_None) return 1;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a word layer is a tuple or None");
        return 0;
    }
    if (!PyArg_ParseTuple(given, "y*y*y*y*y*y*y*y*ii", &layer->keys, &layer->vectors, &layer->scale, &layer->weights,
                          &layer->weigh, &layer->bias, &layer->out, &layer->risks, &layer->first, &layer->last)) {
        memset(layer, 0, sizeof *layer); /* the buffers that were taken are released already */
        return 0;
    }
    layer->words = layer->keys.len / 4;
    layer->width = layer->scale.len / 4;
    layer->units = layer->bias.len / 4;
    layer->heads = layer->risks.len / 4 / (layer->units + 1);
    return in_range(layer->words, 1, 1 << 24, "words") && in_range(layer->width, 9, 4096, "columns") &&
           in_range(layer->units, 1, 4096, "units") && in_range(layer->first, tasks->edge, MAX_BYTES, "first") &&
           in_range(layer->last, tasks->edge, MAX_BYTES, "last") && fits(&layer->keys, layer->words, 4, "keys") &&
           fits(&layer->scale, layer->width, 4, "scale") && fits(&layer->bias, layer->units, 4, "bias") &&
           fits(&layer->vectors, layer->words * layer->width, 1, "vectors") &&
           fits(&layer->weights, 3 * layer->width * layer->units, 1, "weights") &&
           fits(&layer->weigh, layer->units, 4, "weigh") && fits(&layer->out, layer->units * tasks->labels, 4, "out") &&
           fits(&layer->risks, (layer->units + 1) * layer->heads, 4, "risks");
}

#define REACH 128 /* rows around its guessed one in which a word is nearly always found */

static inline uint32_t guessed_row(Py_ssize_t count, uint64_t token) {
    return (uint32_t)(((token >> 32) * (uint64_t)count) >> 32);
}

/* The row of a token among rising keys, -1 for an unknown one. Keys are hashes, so that where one stands is known to
   within a few times the root of their count: the search begins there. */
static int32_t row_of(const uint32_t *keys, Py_ssize_t count, uint64_t token) {
    uint32_t asked = (uint32_t)(token >> 32), guess = guessed_row(count, token), size = (uint32_t)count;
    uint32_t low = guess > REACH ? guess - REACH : 0, high = size - low > 2 * REACH ? low + 2 * REACH : size;
    while (low && keys[low] > asked) low = low > 2 * REACH ? low - 2 * REACH : 0;
    while (high < size && keys[high - 1] < asked) high = size - high > 2 * REACH ? high + 2 * REACH : size;
    /* No branch that depends on a key: words are looked up one behind the other, and none need wait. */
    for (uint32_t left = high - low; left > 1;) {
        uint32_t half = left / 2;
        low += keys[low + half] <= asked ? half : 0;
        left -= half;
    }
    return keys[low] == asked ? (int32_t)low : -1;
}

/* Adds to units rows of n columns, each times its number in by. */
BEST_VECTORS static void add_rows_by(float *restrict units, const int8_t *restrict rows, const float *restrict by,
                                     Py_ssize_t count, Py_ssize_t n) {
    Py_ssize_t from = 0;
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    typedef int32_t Fours __attribute__((vector_size(BLOCK))); /* four columns side by side */
    typedef float Units __attribute__((vector_size(BLOCK)));   /* every fourth column */
    for (; from + BLOCK <= n; from += BLOCK) {
        Fours fours;
        Units first, second, third, fourth;
        for (int k = 0; k < BLOCK / 4; k++) {
            const float *unit = units + from + 4 * k;
            first[k] = unit[0], second[k] = unit[1], third[k] = unit[2], fourth[k] = unit[3];
        }
        for (Py_ssize_t j = 0; j < count; j++) {
            memcpy(&fours, rows + j * n + from, sizeof fours);
            first += by[j] * __builtin_convertvector(fours << 24 >> 24, Units);
            second += by[j] * __builtin_convertvector(fours << 16 >> 24, Units);
            third += by[j] * __builtin_convertvector(fours << 8 >> 24, Units);
            fourth += by[j] * __builtin_convertvector(fours >> 24, Units);
        }
        for (int k = 0; k < BLOCK / 4; k++) {
            float *unit = units + from + 4 * k;
            unit[0] = first[k], unit[1] = second[k], unit[2] = third[k], unit[3] = fourth[k];
        }
    }
#endif
    for (Py_ssize_t j = 0; from < n && j < count; j++)
        for (Py_ssize_t k = from; k < n; k++) units[k] += by[j] * (float)rows[j * n + k];
}

/* Adds what the layer says of a text to scores, and to risks as far as its words are known; returns -1 without
   memory. */
static int layer_read(const WordLayer *layer, const Text *text, int32_t edge, double *scores, Py_ssize_t labels,
                      double *risks) {
    int32_t n = text->n_tokens, count = smaller(n, layer->first + layer->last), status = -1;
    Py_ssize_t width = layer->width;
    const float *scale = layer->scale.buf, *weigh = layer->weigh.buf, *bias = layer->bias.buf, *out = layer->out.buf;
    const int8_t *weights = layer->weights.buf, *vectors = layer->vectors.buf;
    const uint32_t *keys = layer->keys.buf;
    Sum sum = {0};
    int32_t *found = malloc(2 * (size_t)count * sizeof *found);
    float *units = calloc((size_t)(layer->units + width), sizeof *units), *means = units + layer->units;
    if (!found || !units || sum_new(&sum, vectors, (int32_t)width)) goto done;
    uint32_t *rows = (uint32_t *)found + count;
#define TOKEN(i) text->tokens[(i) < layer->first ? (i) : n - count + (i)]
    for (int32_t i = 0; i < count; i++) PREFETCH(keys + guessed_row(layer->words, TOKEN(i)));
    for (int32_t i = 0; i < count; i++) {
        found[i] = row_of(keys, layer->words, TOKEN(i));
        for (Py_ssize_t j = 0; found[i] >= 0 && j < width; j += 64) PREFETCH(vectors + found[i] * width + j);
    }
#undef TOKEN
    int32_t seen = 0, places[3][2] = {{0, count}, {0, smaller(edge, count)}, {count > edge ? count - edge : 0, count}};
    for (int place = 0; place < 3; place++) {
        int32_t known = 0;
        for (int32_t i = places[place][0]; i < places[place][1]; i++)
            if (found[i] >= 0) rows[known++] = (uint32_t)found[i];
        if (place == 0) seen = known;
        if (!known) continue;
        sum_rows(&sum, rows, known);
        sum_empty(&sum);
        float length = 0.0f;
        for (Py_ssize_t j = 0; j < width; j++) {
            means[j] = (float)sum.total[j] * scale[j];
            length += means[j] * means[j];
            sum.total[j] = 0;
        }
        if (length == 0.0f) continue;
        length = sqrtf(length);
        for (Py_ssize_t j = 0; j < width; j++) means[j] /= length;
        add_rows_by(units, weights + place * width * layer->units, means, width, layer->units);
    }
    for (Py_ssize_t k = 0; k < layer->units; k++) {
        float unit = units[k] * weigh[k] + bias[k];
        units[k] = unit > 0.0f ? unit : 0.0f;
    }
    add_weighed(scores, out, units, layer->units, labels);
    if (risks && seen) {
        float one = 1.0f, *of = layer->risks.buf;
        add_weighed(risks, of, units, layer->units, layer->heads);
        add_weighed(risks, of + layer->units * layer->heads, &one, 1, layer->heads);
        for (Py_ssize_t k = 0; k < layer->heads; k++) risks[k] *= (double)seen / (double)count;
    }
    status = 0;
done:
    free(sum.total);
    free(units);
    free(found);
    return status;
}

/* Whether the sizes fit; an error is set where not. */
static int tasks_fit(Tasks *tasks) {
    int bits = tasks->bits;
    tasks->width = bits >= 1 && bits <= 24 ? tasks->table.len >> bits : 0;
    tasks->labels = tasks->bias.len / 4;
    return in_range(bits, 1, 24, "bits") && in_range(tasks->head, 0, MAX_BYTES, "head") &&
           in_range(tasks->tail, 0, MAX_BYTES, "tail") && in_range(tasks->words, 0, (2 << MAX_ORDER) - 1, "words") &&
           in_range(tasks->wide, 0, (2 << 4) - 1, "wide") && in_range(tasks->chars, 0, MAX_ORDER, "chars") &&
           in_range(tasks->edge, 1, MAX_BYTES, "edge") && in_range(tasks->width, 1, 65536, "width") &&
           in_range(tasks->labels, 0, 65536, "labels") && fits(&tasks->table, tasks->width << bits, 1, "table") &&
           fits(&tasks->bias, tasks->labels, 4, "bias") &&
           fits(&tasks->weights, 3 * tasks->width * tasks->labels, 4, "weights");
}

/* Fills scores, one a label, of a text with tokens, and adds to risks, where it is given; returns -1 without memory. */
static int tasks_read(const Tasks *tasks, const Text *text, double *scores, double *risks) {
    Py_ssize_t width = tasks->width, labels = tasks->labels;
    float *sums = calloc((size_t)(3 * width), sizeof *sums);
    int status = -1;
    if (sums && !read_places(text, tasks->words, tasks->chars, tasks->wide, tasks->edge, tasks->bits, tasks->table.buf,
                             (int32_t)width, sums)) {
        for (Py_ssize_t k = 0; k < labels; k++) scores[k] = ((const float *)tasks->bias.buf)[k];
        add_weighed(scores, tasks->weights.buf, sums, 3 * width, labels);
        status = tasks->layer.units ? layer_read(&tasks->layer, text, tasks->edge, scores, labels, risks) : 0;
    }
    free(sums);
    return status;
}

PyDoc_STRVAR(task_scores_doc,
             "task_scores(data, head, tail, words, chars, wide, edge, bits, table, weights, bias, layer)\n"
             "    -> tuple[float, ...]\n\n"
             "Raw scores, one a column of weights, of the lower-cased UTF-8 bytes data; empty when it has no token.\n"
             "words, wide: bit k set for order k. table: int8 (2**bits, width); weights: float32 (3 * width, labels);\n"
             "bias: float32 (labels,). layer: None, or keys, uint32 (known,), rising; vectors, int8 (known, columns);\n"
             "scale, float32 (columns,); weights, int8 (3 * columns, units); weigh and bias, float32 (units,); out,\n"
             "float32 (units, labels); risks, float32 (units + 1, heads), for read; and how many first and last\n"
             "tokens are looked up.\n"
             "Raises ValueError when sizes do not fit.");

static PyObject *task_scores(PyObject *module, PyObject *args) {
    Py_buffer data;
    Tasks tasks = {0};
    (void)module;
    PyObject *layer;
    if (!PyArg_ParseTuple(args, "y*iiiiiiiy*y*y*O", &data, &tasks.head, &tasks.tail, &tasks.words, &tasks.chars,
                          &tasks.wide, &tasks.edge, &tasks.bits, &tasks.table, &tasks.weights, &tasks.bias, &layer))
        return NULL;
    PyObject *result = NULL;
    Text text = {0};
    double *scores = NULL;
    if (!tasks_fit(&tasks) || !layer_take(&tasks, layer) || !in_range(data.len, 0, MAX_BYTES, "data")) goto done;
    scores = calloc((size_t)tasks.labels + 1, sizeof *scores);
    if (!scores || text_read(&text, data.buf, (int32_t)data.len, tasks.head, tasks.tail) ||
        (text.n_tokens && tasks_read(&tasks, &text, scores, NULL)))
        PyErr_NoMemory();
    else
        result = tuple_of(scores, text.n_tokens ? tasks.labels : 0);
done:
    text_free(&text);
    free(scores);
    PyBuffer_Release(&data);
    tasks_release(&tasks);
    return result;
}

/* Turns scores into probabilities. */
static void normalize(double *values, Py_ssize_t n, double temperature) {
    double top = -INFINITY, total = 0.0;
    for (Py_ssize_t i = 0; i < n; i++)
        if (values[i] > top) top = values[i];
    for (Py_ssize_t i = 0; i < n; i++) total += values[i] = exp((values[i] - top) / temperature);
    for (Py_ssize_t i = 0; i < n; i++) values[i] /= total;
}

PyDoc_STRVAR(softmax_doc,
             "softmax(scores, temperature) -> tuple[float, ...]\n\n"
             "The exponentials of a tuple of scores over temperature, scaled so that they add up to one.");

static PyObject *softmax(PyObject *module, PyObject *args) {
    PyObject *scores;
    double temperature, values[256];
    (void)module;
    if (!PyArg_ParseTuple(args, "O!d", &PyTuple_Type, &scores, &temperature)) return NULL;
    Py_ssize_t n = PyTuple_Size(scores);
    if (!in_range(n, 0, 256, "scores")) return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        values[i] = PyFloat_AsDouble(PyTuple_GetItem(scores, i));
        if (PyErr_Occurred()) return NULL;
    }
    normalize(values, n, temperature);
    return tuple_of(values, n);
}

/* ---- worst_windows: the highest score of each head over sliding windows ------------------------------------------ */

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

typedef struct {
    int bits, size, step;
    Py_buffer table, scale, bias;
    int32_t heads;
} Heads;

typedef struct {
    double score;
    int32_t begin, end; /* in bytes */
} Worst;

static void heads_release(Heads *heads) {
    PyBuffer_Release(&heads->table);
    PyBuffer_Release(&heads->scale);
    PyBuffer_Release(&heads->bias);
}

/* Whether the sizes fit; an error is set where not. */
static int heads_fit(Heads *heads) {
    Py_ssize_t count = heads->bias.len / 4;
    heads->heads = (int32_t)(count <= 1024 ? count : 0);
    return in_range(heads->bits, 1, 24, "bits") && in_range(heads->size, 2, MAX_BYTES, "size") &&
           in_range(heads->step, 1, heads->size, "step") && in_range(count, 1, 1024, "heads") &&
           fits(&heads->bias, count, 4, "bias") && fits(&heads->scale, count, 4, "scale") &&
           fits(&heads->table, count << heads->bits, 1, "table");
}

/* Fills worst, one a head; returns -1 without memory. */
static int heads_read(const Heads *heads, const Text *text, Worst *worst) {
    WideBlock wide[2] = {{0}};
    int32_t k = heads->heads, n = text->n_tokens, size = heads->size, *tokens = NULL, *pairs = NULL, *ends = NULL;
    int shift = 64 - heads->bits, status = -1;
    size_t room = ((size_t)n + 1) * (size_t)k;
    const int8_t *table = heads->table.buf;
    const float *scale = heads->scale.buf, *bias = heads->bias.buf;
    tokens = malloc(2 * room * sizeof *tokens);
    uint64_t *grams = malloc(((size_t)(n > text->n_bytes ? n : text->n_bytes) + 1) * sizeof *grams);
    double *score = malloc((size_t)k * sizeof *score);
    if (!tokens || !grams || !score) goto done;
    pairs = tokens + room;
    run_sums(tokens, text->tokens, n, shift, table, k);
    for (int32_t i = 0; i + 1 < n; i++) grams[i] = extended(text->tokens[i], text->tokens[i + 1]);
    run_sums(pairs, grams, n > 0 ? n - 1 : 0, shift, table, k);
    if (n && text->has_wide) {
        int32_t bytes = text->n_bytes;
        for (int order = 0; order < 2; order++) {
            wide[order].begins = malloc(((size_t)bytes + 1) * sizeof *wide[order].begins);
            wide[order].running = malloc(((size_t)bytes + 1) * (size_t)k * sizeof *wide[order].running);
            if (!wide[order].begins || !wide[order].running) goto done;
        }
        if (!(ends = malloc(((size_t)bytes + 1) * sizeof *ends))) goto done;
        int32_t count = wide_start(text, wide[0].begins, ends);
        for (int order = 0; order < 2; order++) {
            WideBlock *block = &wide[order];
            if (order) memcpy(block->begins, wide[0].begins, (size_t)count * sizeof *block->begins);
            count = wide_extend(text, block->begins, ends, count);
            block->count = count;
            for (int32_t i = 0; i < count; i++) grams[i] = wide_hash(text, block->begins[i], ends[i]);
            run_sums(block->running, grams, count, shift, table, k);
        }
    }
    int is_whole = n <= size + heads->step / 2;
    for (int32_t first = 0, done = 0; !done; first += heads->step) {
        int32_t from = is_whole ? 0 : smaller(first, n - size), to = is_whole ? n : from + size;
        int32_t begin = n ? text->starts[from] : 0, end = n ? text->ends[to - 1] : 0;
        done = is_whole || from + size >= n;
        for (int32_t h = 0; h < k; h++) score[h] = 0.0;
        add_range(score, tokens, from, to, to - from, k);
        add_range(score, pairs, from, to - 1, to - from - 1, k);
        for (int order = 0; order < 2; order++) {
            WideBlock *block = &wide[order];
            if (!block->count) continue;
            int32_t low = is_whole ? 0 : first_at(block->begins, block->count, begin);
            int32_t high = is_whole ? block->count : first_at(block->begins, block->count, end);
            add_range(score, block->running, low, high, high - low, k);
        }
        for (int32_t h = 0; h < k; h++) {
            score[h] = score[h] * scale[h] + bias[h];
            if (first == 0 || score[h] > worst[h].score) worst[h] = (Worst){score[h], begin, end};
        }
    }
    status = 0;
done:
    for (int order = 0; order < 2; order++) free(wide[order].begins), free(wide[order].running);
    free(ends);
    free(score);
    free(grams);
    free(tokens);
    return status;
}

static PyObject *tuple_of_worst(const Worst *worst, int32_t n) {
    PyObject *tuple = PyTuple_New(n);
    for (int32_t h = 0; tuple && h < n; h++) {
        PyObject *entry = Py_BuildValue("(dii)", worst[h].score, worst[h].begin, worst[h].end);
        if (!entry) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, h, entry);
    }
    return tuple;
}

PyDoc_STRVAR(worst_windows_doc,
             "worst_windows(data, bits, size, step, table, scale, bias) -> tuple[tuple[float, int, int], ...]\n\n"
             "For each head its highest raw score over the windows of size tokens, begun every step tokens, and the\n"
             "bytes of data at which that window begins and ends. table: int8 (2**bits, heads); scale, bias: float32\n"
             "(heads,). Raises ValueError when sizes do not fit.");

static PyObject *worst_windows(PyObject *module, PyObject *args) {
    Py_buffer data;
    Heads heads = {0};
    (void)module;
    if (!PyArg_ParseTuple(args, "y*iiiy*y*y*", &data, &heads.bits, &heads.size, &heads.step, &heads.table, &heads.scale,
                          &heads.bias))
        return NULL;
    PyObject *result = NULL;
    Text text = {0};
    Worst *worst = NULL;
    if (!heads_fit(&heads) || !in_range(data.len, 0, MAX_BYTES, "data")) goto done;
    worst = malloc((size_t)heads.heads * sizeof *worst);
    if (!worst || text_read(&text, data.buf, (int32_t)data.len, MAX_BYTES, 0) || heads_read(&heads, &text, worst))
        PyErr_NoMemory();
    else
        result = tuple_of_worst(worst, heads.heads);
done:
    free(worst);
    text_free(&text);
    PyBuffer_Release(&data);
    heads_release(&heads);
    return result;
}

/* ---- read: both of one text -------------------------------------------------------------------------------------- */

static const char *READER = "router.reader";

typedef struct {
    Tasks tasks;
    Heads heads;
    Py_buffer odds; /* of each head a slope, then of each an offset */
    double temperature;
} Reader;

static void reader_free(Reader *reader) {
    tasks_release(&reader->tasks);
    heads_release(&reader->heads);
    PyBuffer_Release(&reader->odds);
    PyMem_Free(reader);
}

static void reader_destroy(PyObject *capsule) { reader_free(PyCapsule_GetPointer(capsule, READER)); }

PyDoc_STRVAR(reader_doc,
             "reader(*of_tasks, temperature, *of_windows, odds) -> capsule\n\n"
             "What read needs: the arguments of task_scores and of worst_windows behind data, a temperature, and\n"
             "float64 (2, heads): the slope and the offset by which a window's score becomes odds.\n"
             "Raises ValueError when sizes do not fit.");

static PyObject *reader_make(PyObject *module, PyObject *args) {
    (void)module;
    Reader *reader = PyMem_Calloc(1, sizeof *reader);
    if (!reader) return PyErr_NoMemory();
    Tasks *tasks = &reader->tasks;
    Heads *heads = &reader->heads;
    PyObject *layer;
    if (!PyArg_ParseTuple(args, "iiiiiiiy*y*y*Odiiiy*y*y*y*", &tasks->head, &tasks->tail, &tasks->words, &tasks->chars,
                          &tasks->wide, &tasks->edge, &tasks->bits, &tasks->table, &tasks->weights, &tasks->bias,
                          &layer, &reader->temperature, &heads->bits, &heads->size, &heads->step, &heads->table,
                          &heads->scale, &heads->bias, &reader->odds)) {
        PyMem_Free(reader); /* the buffers that were taken are released already */
        return NULL;
    }
    PyObject *capsule = NULL;
    if (tasks_fit(tasks) && layer_take(tasks, layer) && heads_fit(heads) &&
        fits(&reader->odds, 2 * (Py_ssize_t)heads->heads, 8, "odds"))
        capsule = PyCapsule_New(reader, READER, reader_destroy);
    if (!capsule) reader_free(reader);
    return capsule;
}

PyDoc_STRVAR(read_doc,
             "read(reader, data) -> tuple[tuple[float, ...], tuple[tuple[float, int, int], ...], tuple[float, ...],\n"
             "    tuple[float, ...]]\n\n"
             "The probabilities of tasks and the worst windows: softmax(task_scores(data, ...)), worst_windows(data,\n"
             "...); what the layer says of risks: units times risks plus its last row, times the share of known\n"
             "words; and the probabilities of risks by both.");

static inline double between(double odds) { return odds > -30.0 && odds < 30.0 ? odds : odds < 0.0 ? -30.0 : 30.0; }

/* What the odds of each head come to, between 1e-13 and 1 - 1e-13; said is of count heads, silent beyond. */
static PyObject *tuple_of_risks(const Reader *reader, const Worst *worst, const double *said, int32_t count) {
    const double *slope = reader->odds.buf, *offset = slope + reader->heads.heads;
    PyObject *tuple = PyTuple_New(reader->heads.heads);
    for (int32_t h = 0; tuple && h < reader->heads.heads; h++) {
        double odds = slope[h] * worst[h].score;
        odds += offset[h];
        odds += h < count ? said[h] : 0.0;
        PyObject *number = PyFloat_FromDouble(1.0 / (1.0 + exp(-between(odds))));
        if (number)
            PyTuple_SetItem(tuple, h, number);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *read_both(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule, *given;
    char *bytes;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "OS", &capsule, &given)) return NULL;
    Reader *reader = PyCapsule_GetPointer(capsule, READER);
    if (!reader || PyBytes_AsStringAndSize(given, &bytes, &size) || !in_range(size, 0, MAX_BYTES, "data")) return NULL;
    const uint8_t *data = (const uint8_t *)bytes;
    const Tasks *tasks = &reader->tasks;
    const Heads *heads = &reader->heads;
    int32_t n = (int32_t)size, is_cut = n > tasks->head + tasks->tail;
    Text text = {0}, cut = {0};
    const Text *read = is_cut ? &cut : &text;
    PyObject *result = NULL, *probabilities = NULL, *places = NULL, *said = NULL, *risky = NULL;
    double *scores = calloc((size_t)(tasks->labels + tasks->layer.heads + 1), sizeof *scores);
    double *risks = scores ? scores + tasks->labels : NULL;
    Worst *worst = malloc((size_t)heads->heads * sizeof *worst);
    if (!scores || !worst || text_read(&text, data, n, MAX_BYTES, 0) || heads_read(heads, &text, worst) ||
        (is_cut && text_read(&cut, data, n, tasks->head, tasks->tail)) ||
        (read->n_tokens && tasks_read(tasks, read, scores, risks))) {
        PyErr_NoMemory();
    } else {
        Py_ssize_t labels = read->n_tokens ? tasks->labels : 0;
        normalize(scores, labels, reader->temperature);
        probabilities = tuple_of(scores, labels);
        places = tuple_of_worst(worst, heads->heads);
        said = tuple_of(risks, tasks->layer.heads);
        risky = tuple_of_risks(reader, worst, risks, (int32_t)tasks->layer.heads);
        if (probabilities && places && said && risky)
            result = PyTuple_Pack(4, probabilities, places, said, risky);
        Py_XDECREF(probabilities);
        Py_XDECREF(places);
        Py_XDECREF(said);
        Py_XDECREF(risky);
    }
    free(worst);
    free(scores);
    text_free(&cut);
    text_free(&text);
    return result;
}

/* ---- label_scores: a local model's reading of a text ------------------------------------------------------------- */

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
    uint64_t *grams = NULL;
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
    if (!sums || !values || !grams || !rows || sum_new(&sum, table.buf, (int32_t)width)) goto no_memory;
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
    for (int order = 1; chars >> order && order <= bytes; order++) {
        if (!(chars >> order & 1)) continue;
        int32_t count = bytes - order + 1;
        counts[2] += count;
        for (int32_t i = 0; i < count; i++) {
            uint64_t gram = mixed(bytes_hash(&text, i, i + order));
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

/* ---- word_sum: the word vectors of a text, summed ---------------------------------------------------------------- */

PyDoc_STRVAR(word_sum_doc,
             "word_sum(data, keys, vectors) -> bytes | None\n\n"
             "The sum, int32 (width,), of the rows of vectors, int8 (words, width), whose key, the upper half of a\n"
             "token's hash, stands in keys, uint32 (words,), rising. None when no token of data does. Raises\n"
             "ValueError when sizes do not fit.");

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
    int32_t count = 0;
    for (int32_t i = 0; i < text.n_tokens; i++) {
        int32_t row = row_of(keys.buf, words, text.tokens[i]);
        if (row >= 0) rows[count++] = (uint32_t)row;
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

/* ---- census: how many bytes of which kind ------------------------------------------------------------------------ */

PyDoc_STRVAR(census_doc,
             "census(data) -> tuple[int, int, int, int, int, int, int, int]\n\n"
             "How many bytes of UTF-8 are small ASCII letters, capitals, digits, printable marks, blanks, pairs of\n"
             "blanks (none overlapping), and line breaks; and 1 where \"!!\", \"??\" or \"...\" stands, else 0.");

enum { SMALL, CAPITALS, DIGITS, PRINTABLE, BLANKS, BREAKS, TWINS, STRETCHES, N_COUNTS };
#define COUNTED 128 /* so many bytes at once, so that a count fits into one byte and many of them into a vector */

/* Counts over bytes[0:n], of which n + 2 can be read; n is at most COUNTED. */
BEST_VECTORS static void count_bytes(const uint8_t *bytes, Py_ssize_t n, Py_ssize_t *counts) {
    uint8_t small = 0, capitals = 0, digits = 0, printable = 0, blanks = 0, breaks = 0, twins = 0, stretches = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
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
        count_bytes(last, n, counts);
        at += n;
    }
    for (Py_ssize_t i = 0; counts[TWINS] && i + 1 < size; i++)
        if (bytes[i] == ' ' && bytes[i + 1] == ' ') pairs++, i++;
    Py_ssize_t marks = counts[PRINTABLE] - counts[SMALL] - counts[CAPITALS] - counts[DIGITS];
    return Py_BuildValue("(nnnnnnnn)", counts[SMALL], counts[CAPITALS], counts[DIGITS], marks, counts[BLANKS], pairs,
                         counts[BREAKS], counts[STRETCHES]);
}

/* ---- _words.c ---------------------------------------------------------------------------------------------------- */

void words_fill_tables(void);
PyObject *words_make(PyObject *module, PyObject *args);
PyObject *words_groups(PyObject *module, PyObject *args);
PyObject *words_count(PyObject *module, PyObject *data);
PyObject *words_near(PyObject *module, PyObject *args);
PyObject *phrases_make(PyObject *module, PyObject *list);
PyObject *phrases_in(PyObject *module, PyObject *args);

/* ---- _candidates.c ----------------------------------------------------------------------------------------------- */

PyObject *candidate_fields(PyObject *module, PyObject *args);
PyObject *lazy_signals(PyObject *module, PyObject *args);
PyObject *rule_signals(PyObject *module, PyObject *args);
PyObject *hosted_rows(PyObject *module, PyObject *args);
PyObject *hosted(PyObject *module, PyObject *args);
PyObject *candidates_ordered(PyObject *module, PyObject *args);

#define VERSION 13 /* compiled.py asks for it: a module that is older than its sources is not used */

/* ---- Module ------------------------------------------------------------------------------------------------------ */

static PyMethodDef METHODS[] = {
    {"task_scores", task_scores, METH_VARARGS, task_scores_doc},
    {"softmax", softmax, METH_VARARGS, softmax_doc},
    {"worst_windows", worst_windows, METH_VARARGS, worst_windows_doc},
    {"reader", reader_make, METH_VARARGS, reader_doc},
    {"read", read_both, METH_VARARGS, read_doc},
    {"label_scores", label_scores, METH_VARARGS, label_scores_doc},
    {"word_sum", word_sum, METH_VARARGS, word_sum_doc},
    {"census", census, METH_O, census_doc},
    {"words", words_make, METH_VARARGS, NULL},
    {"word_groups", words_groups, METH_VARARGS, NULL},
    {"word_count", words_count, METH_O, NULL},
    {"near", words_near, METH_VARARGS, NULL},
    {"phrases", phrases_make, METH_O, NULL},
    {"phrases_in", phrases_in, METH_VARARGS, NULL},
    {"candidate_fields", candidate_fields, METH_VARARGS, NULL},
    {"lazy_signals", lazy_signals, METH_VARARGS, NULL},
    {"rule_signals", rule_signals, METH_VARARGS, NULL},
    {"hosted_rows", hosted_rows, METH_VARARGS, NULL},
    {"hosted", hosted, METH_VARARGS, NULL},
    {"ordered", candidates_ordered, METH_VARARGS, NULL},
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
