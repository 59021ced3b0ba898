/* Which of a fixed set of words or phrases stand in a text: one pass over its bytes for all of them.

   Both kinds of sets are built once and kept in a capsule; a look allocates nothing but its answer. Most of a text is
   in no set, so a filter of 8 KiB, which stays in a near cache, is asked before the set itself. The pure Python that
   says the same is signals/triggers.py and signals/gates.py; tests hold the two together. Texts are UTF-8. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t bits;
    uint32_t at, size; /* where in the set's bytes it stands */
    uint32_t key, next, seen;
} Entry;

typedef struct {
    Entry *entries;
    PyObject *names; /* the list that it was made of */
    uint8_t *bytes;
    uint32_t *found; /* the numbers that a look has found so far */
    uint32_t *heads; /* 1 + index of a bucket's first entry, 0 for none */
    uint32_t count, mask, longest, looks;
    uint8_t filter[8192]; /* a bit for each 16 bits of a key that something in the set has */
} Set;

static const char *WORDS = "router.words", *PHRASES = "router.phrases";

enum { LETTER = 1, DIGIT = 2 };
static uint8_t IN_WORD[256]; /* 0 for what stands in none */
static uint32_t THREE;       /* keeps the first three of four bytes */

void words_fill_tables(void) {
    for (int c = 0; c < 256; c++) {
        if ((c >= 'a' && c <= 'z') || c == '\'' || c >= 128) IN_WORD[c] = LETTER;
        if (c >= '0' && c <= '9') IN_WORD[c] = DIGIT;
    }
    memcpy(&THREE, (uint8_t[4]){255, 255, 255, 0}, 4);
}

static void set_free(Set *set) {
    if (!set) return;
    Py_XDECREF(set->names);
    PyMem_Free(set->bytes);
    PyMem_Free(set->found);
    PyMem_Free(set->entries);
    PyMem_Free(set->heads);
    PyMem_Free(set);
}

static void words_destroy(PyObject *capsule) { set_free(PyCapsule_GetPointer(capsule, WORDS)); }
static void phrases_destroy(PyObject *capsule) { set_free(PyCapsule_GetPointer(capsule, PHRASES)); }

/* A set of a list's strings, each of at least least bytes as UTF-8, in no bucket yet; NULL with an error. */
static Set *set_read(PyObject *list, uint32_t buckets, Py_ssize_t least) {
    Py_ssize_t count = PyList_Size(list), total = 0;
    Py_ssize_t size;
    if (count < 0) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), &size)) return NULL;
        if (size < least || size > 1024) {
            PyErr_Format(PyExc_ValueError, "%zd bytes are not between %zd and 1024", size, least);
            return NULL;
        }
        total += size;
    }
    Set *set = PyMem_Calloc(1, sizeof *set);
    if (set) {
        set->entries = PyMem_Calloc((size_t)count + 1, sizeof *set->entries);
        set->found = PyMem_Calloc((size_t)count + 1, sizeof *set->found);
        set->heads = PyMem_Calloc(buckets, sizeof *set->heads);
        set->bytes = PyMem_Malloc((size_t)total + 1);
        set->mask = buckets - 1;
        set->names = PyList_GetSlice(list, 0, count);
    }
    if (!set || !set->entries || !set->found || !set->heads || !set->bytes || !set->names) {
        set_free(set);
        PyErr_NoMemory();
        return NULL;
    }
    for (uint32_t at = 0; set->count < (uint32_t)count; set->count++) {
        Entry *entry = &set->entries[set->count];
        const char *bytes = PyUnicode_AsUTF8AndSize(PyList_GetItem(set->names, set->count), &size);
        memcpy(set->bytes + at, bytes, (size_t)size);
        entry->at = at;
        at += entry->size = (uint32_t)size;
        if (entry->size > set->longest) set->longest = entry->size;
    }
    return set;
}

static void set_link(Set *set, uint32_t index, uint32_t key) {
    uint32_t *head = &set->heads[key & set->mask];
    set->entries[index].key = key;
    set->entries[index].next = *head;
    *head = index + 1;
}

static void set_let_through(Set *set, uint32_t key) {
    set->filter[(key & 0xFFFF) >> 3] |= (uint8_t)(1u << (key & 7));
}

static inline int set_may_hold(const Set *set, uint32_t key) {
    return set->filter[(key & 0xFFFF) >> 3] >> (key & 7) & 1;
}

/* A new look: entries that were seen in an earlier one count as unseen. */
static uint32_t set_look(Set *set) {
    if (++set->looks == 0) {
        for (uint32_t i = 0; i < set->count; i++) set->entries[i].seen = 0;
        set->looks = 1;
    }
    return set->looks;
}

static int smaller_first(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

/* What this look has found, in the order of the set. */
static PyObject *set_seen(const Set *set, uint32_t found) {
    PyObject *seen = PyTuple_New((Py_ssize_t)found);
    if (!seen || !found) return seen;
    qsort(set->found, found, sizeof *set->found, smaller_first);
    for (uint32_t i = 0; i < found; i++) {
        PyObject *name = PyList_GetItem(set->names, (Py_ssize_t)set->found[i]);
        Py_XINCREF(name);
        if (!name || PyTuple_SetItem(seen, (Py_ssize_t)i, name)) {
            Py_DECREF(seen);
            return NULL;
        }
    }
    return seen;
}

static const uint64_t FIRST = 0x9E3779B97F4A7C15ULL, LAST = 0xFF51AFD7ED558CCDULL;

/* A hash of a word's size, first and last bytes: words are short, and what it cannot tell apart is compared. */
static inline uint32_t word_key(const uint8_t *word, Py_ssize_t size) {
    uint64_t first = 0, last = 0;
    if (size >= 8) {
        memcpy(&first, word, 8);
        memcpy(&last, word + size - 8, 8);
    } else if (size >= 4) {
        memcpy(&first, word, 4);
        memcpy(&last, word + size - 4, 4);
    } else {
        first = (uint64_t)word[0] << 8 | word[size / 2];
        last = word[size - 1];
    }
    uint64_t hash = (first + (uint64_t)size) * FIRST ^ (last * LAST);
    hash ^= hash >> 32;
    return (uint32_t)(hash * FIRST >> 32);
}

/* words(words: list[str], bits: list[int]) -> capsule

   A set of words, each with up to 64 bits, for word_groups. */
PyObject *words_make(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *words, *bits;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &words, &PyList_Type, &bits)) return NULL;
    if (PyList_Size(words) != PyList_Size(bits)) {
        PyErr_SetString(PyExc_ValueError, "as many words as bits are needed");
        return NULL;
    }
    Set *set = set_read(words, 4096, 1);
    if (!set) return NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        Entry *entry = &set->entries[i];
        entry->bits = PyLong_AsUnsignedLongLong(PyList_GetItem(bits, i));
        if (PyErr_Occurred()) {
            set_free(set);
            return NULL;
        }
        uint32_t key = word_key(set->bytes + entry->at, entry->size);
        set_link(set, i, key);
        set_let_through(set, key);
    }
    PyObject *capsule = PyCapsule_New(set, WORDS, words_destroy);
    if (!capsule) set_free(set);
    return capsule;
}

/* The set of this kind and the bytes behind it in the arguments; NULL with an error set where they are others. */
static Set *set_and_bytes(PyObject *args, const char *kind, const uint8_t **bytes, Py_ssize_t *size) {
    PyObject *capsule, *data;
    char *text;
    if (!PyArg_ParseTuple(args, "OS", &capsule, &data)) return NULL;
    Set *set = PyCapsule_GetPointer(capsule, kind);
    if (!set || PyBytes_AsStringAndSize(data, &text, size)) return NULL;
    *bytes = (const uint8_t *)text;
    return set;
}

/* word_groups(words: capsule, data: bytes) -> tuple[int, frozenset[str], bool]

   The bits of all words of the set that stand in lower-case UTF-8 between other bytes than letters, digits
   and apostrophes, these words, and whether a digit stands there. */
PyObject *words_groups(PyObject *module, PyObject *args) {
    (void)module;
    const uint8_t *bytes;
    Py_ssize_t size;
    Set *set = set_and_bytes(args, WORDS, &bytes, &size);
    if (!set) return NULL;
    uint32_t look = set_look(set), found = 0;
    uint64_t bits = 0;
    int kinds = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (!IN_WORD[bytes[at]]) continue;
        Py_ssize_t start = at;
        /* Behind the last byte of a bytes object stands a zero. */
        for (int kind; (kind = IN_WORD[bytes[at]]); at++) kinds |= kind;
        Py_ssize_t length = at - start;
        if (length > (Py_ssize_t)set->longest) continue;
        uint32_t key = word_key(bytes + start, length);
        if (!set_may_hold(set, key)) continue;
        for (uint32_t next = set->heads[key & set->mask]; next; next = set->entries[next - 1].next) {
            Entry *entry = &set->entries[next - 1];
            if (entry->key != key || entry->size != length ||
                memcmp(set->bytes + entry->at, bytes + start, (size_t)length))
                continue;
            if (entry->seen != look) set->found[found++] = next - 1;
            entry->seen = look;
            bits |= entry->bits;
        }
    }
    PyObject *seen = PyFrozenSet_New(NULL);
    for (uint32_t i = 0; seen && i < found; i++)
        if (PySet_Add(seen, PyList_GetItem(set->names, (Py_ssize_t)set->found[i]))) Py_CLEAR(seen);
    return seen ? Py_BuildValue("(KNN)", (unsigned long long)bits, seen, PyBool_FromLong(kinds & DIGIT)) : NULL;
}

/* word_count(data: bytes) -> int

   How many distinct words lower-case UTF-8 has. */
PyObject *words_count(PyObject *module, PyObject *data) {
    (void)module;
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &text, &size)) return NULL;
    const uint8_t *bytes = (const uint8_t *)text;
    size_t words = 0, slots = 16;
    int in_word = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        words += IN_WORD[bytes[at]] && !in_word;
        in_word = IN_WORD[bytes[at]];
    }
    while (slots < 2 * words) slots *= 2;
    struct { Py_ssize_t at, size; } *seen = PyMem_Calloc(slots, sizeof *seen);
    if (!seen) return PyErr_NoMemory();
    long count = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (!IN_WORD[bytes[at]]) continue;
        Py_ssize_t start = at;
        while (at < size && IN_WORD[bytes[at]]) at++;
        size_t slot = word_key(bytes + start, at - start) & (slots - 1);
        while (seen[slot].size && (seen[slot].size != at - start ||
                                   memcmp(bytes + seen[slot].at, bytes + start, (size_t)(at - start))))
            slot = (slot + 1) & (slots - 1);
        count += !seen[slot].size;
        seen[slot].at = start, seen[slot].size = at - start;
    }
    PyMem_Free(seen);
    return PyLong_FromLong(count);
}

#define MOST_PLACES 32 /* of words that near looks around */

typedef struct {
    Py_ssize_t first, last;
} Place;

/* Fills places with where the words stand, in their order; how many there are, -1 with an error. */
static Py_ssize_t find_words(PyObject *text, Py_ssize_t size, PyObject *words, Place places[MOST_PLACES]) {
    PyObject *iterator = PyObject_GetIter(words), *word;
    Py_ssize_t count = 0, found = -1;
    if (!iterator) return -1;
    while (found != -2 && (word = PyIter_Next(iterator))) {
        Py_ssize_t length = PyUnicode_GetLength(word);
        found = length < 0 ? -2 : PyUnicode_Find(text, word, 0, size, 1);
        while (found >= 0 && count < MOST_PLACES) {
            Place place = {found, found + length};
            Py_ssize_t at = count++;
            for (; at && (places[at - 1].first > place.first ||
                          (places[at - 1].first == place.first && places[at - 1].last > place.last)); at--)
                places[at] = places[at - 1];
            places[at] = place;
            found = PyUnicode_Find(text, word, place.last, size, 1);
        }
        Py_DECREF(word);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : count;
}

static PyObject *between_blanks(PyObject *text, Py_ssize_t size, Py_ssize_t from, Py_ssize_t to) {
    Py_ssize_t start = PyUnicode_FindChar(text, ' ', 0, from > 0 ? from : 0, -1) + 1;
    Py_ssize_t stop = PyUnicode_FindChar(text, ' ', to < size ? to : size, size, 1);
    return PyUnicode_Substring(text, start, stop < 0 ? size : stop);
}

/* near(text: str, words: Iterable[str], reach: int) -> str

   The stretches of the text within reach characters of the words, a line each; they begin and end between blanks and
   run into one another where they overlap. */
PyObject *words_near(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *text, *words;
    Py_ssize_t reach;
    Place places[MOST_PLACES];
    if (!PyArg_ParseTuple(args, "UOn", &text, &words, &reach)) return NULL;
    Py_ssize_t size = PyUnicode_GetLength(text), count = find_words(text, size, words, places);
    if (count < 0) return NULL;
    PyObject *lines = PyList_New(0), *joined = NULL, *line_break = NULL;
    for (Py_ssize_t at = 0; lines && at < count;) {
        Py_ssize_t first = places[at].first, end = places[at].last + reach;
        for (at++; at < count && places[at].first - reach <= end; at++) end = places[at].last + reach;
        PyObject *line = between_blanks(text, size, first - reach, end);
        if (!line || PyList_Append(lines, line)) Py_CLEAR(lines);
        Py_XDECREF(line);
    }
    if (lines && (line_break = PyUnicode_FromStringAndSize("\n", 1))) joined = PyUnicode_Join(line_break, lines);
    Py_XDECREF(line_break);
    Py_XDECREF(lines);
    return joined;
}

static inline uint32_t pair(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }

/* The filter tells three bytes apart, the first of four: pairs of letters are too common. */
static inline uint32_t three(const uint8_t four[4]) {
    uint32_t key;
    memcpy(&key, four, 4);
    return (key & THREE) * 2654435761u >> 16;
}

/* phrases(phrases: list[str]) -> capsule

   A set of phrases of at least two bytes, for phrases_in. */
PyObject *phrases_make(PyObject *module, PyObject *list) {
    (void)module;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of phrases is needed");
        return NULL;
    }
    Set *set = set_read(list, 4096, 2);
    if (!set) return NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        const Entry *entry = &set->entries[i];
        const uint8_t *phrase = set->bytes + entry->at;
        set_link(set, i, pair(phrase));
        for (int c = 0; c < 256; c++) {
            uint8_t four[4] = {phrase[0], phrase[1], entry->size > 2 ? phrase[2] : (uint8_t)c, 0};
            set_let_through(set, three(four));
        }
    }
    PyObject *capsule = PyCapsule_New(set, PHRASES, phrases_destroy);
    if (!capsule) set_free(set);
    return capsule;
}

/* Adds the phrases that begin at bytes[at], unless this look has found them; how many it has found by then. */
static uint32_t phrases_at(Set *set, const uint8_t *bytes, Py_ssize_t at, Py_ssize_t size, uint32_t look,
                           uint32_t found) {
    for (uint32_t next = set->heads[pair(bytes + at) & set->mask]; next; next = set->entries[next - 1].next) {
        Entry *entry = &set->entries[next - 1];
        if (entry->seen == look || (Py_ssize_t)entry->size > size - at ||
            memcmp(set->bytes + entry->at, bytes + at, entry->size))
            continue;
        entry->seen = look;
        set->found[found++] = next - 1;
    }
    return found;
}

/* phrases_in(phrases: capsule, data: bytes) -> tuple[str, ...]

   Those phrases of the set that stand anywhere in the UTF-8 data, in order. */
PyObject *phrases_in(PyObject *module, PyObject *args) {
    (void)module;
    const uint8_t *bytes;
    Py_ssize_t size;
    Set *set = set_and_bytes(args, PHRASES, &bytes, &size);
    if (!set) return NULL;
    uint32_t look = set_look(set), found = 0;
    /* Four bytes are read at each; behind the last one of a bytes object stands a zero. */
    for (Py_ssize_t at = 0; at + 2 < size; at++)
        if (set_may_hold(set, three(bytes + at))) found = phrases_at(set, bytes, at, size, look, found);
    if (size > 1) found = phrases_at(set, bytes, size - 2, size, look, found);
    return set_seen(set, found);
}
