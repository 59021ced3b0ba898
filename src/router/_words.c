/* Which of a fixed set of words or phrases stand in a text: one pass over its bytes for all of them.

   Both kinds of sets are built once and kept in a capsule; a look allocates nothing but its answer. The pure Python
   that says the same is signals/triggers.py and signals/gates.py; tests hold the two together. Texts are UTF-8. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t *bytes;
    uint32_t size, next, seen;
    uint64_t bits;
} Entry;

typedef struct {
    Entry *entries;
    uint32_t *heads; /* 1 + index of a bucket's first entry, 0 for none */
    uint32_t count, mask, longest, looks;
} Set;

static const char *WORDS = "router.words", *PHRASES = "router.phrases";

static uint8_t IN_WORD[256];

void words_fill_tables(void) {
    for (int c = 0; c < 256; c++)
        IN_WORD[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '\'' || c >= 128;
}

static void set_free(Set *set) {
    if (!set) return;
    for (uint32_t i = 0; set->entries && i < set->count; i++) PyMem_Free(set->entries[i].bytes);
    PyMem_Free(set->entries);
    PyMem_Free(set->heads);
    PyMem_Free(set);
}

static void words_destroy(PyObject *capsule) { set_free(PyCapsule_GetPointer(capsule, WORDS)); }
static void phrases_destroy(PyObject *capsule) { set_free(PyCapsule_GetPointer(capsule, PHRASES)); }

/* An empty set with room for a list's byte strings, each of at least least bytes; NULL with an error. */
static Set *set_read(PyObject *list, uint32_t buckets, Py_ssize_t least) {
    Py_ssize_t count = PyList_Size(list);
    if (count < 0) return NULL;
    Set *set = PyMem_Calloc(1, sizeof *set);
    if (set) {
        set->entries = PyMem_Calloc((size_t)count + 1, sizeof *set->entries);
        set->heads = PyMem_Calloc(buckets, sizeof *set->heads);
        set->mask = buckets - 1;
    }
    if (!set || !set->entries || !set->heads) {
        set_free(set);
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t size;
        Entry *entry = &set->entries[i];
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size)) goto failed;
        if (size < least || size > 1024) {
            PyErr_Format(PyExc_ValueError, "%zd bytes are not between %zd and 1024", size, least);
            goto failed;
        }
        if (!(entry->bytes = PyMem_Malloc((size_t)size))) {
            PyErr_NoMemory();
            goto failed;
        }
        memcpy(entry->bytes, bytes, (size_t)size);
        entry->size = (uint32_t)size;
        if (entry->size > set->longest) set->longest = entry->size;
        set->count++;
    }
    return set;
failed:
    set_free(set);
    return NULL;
}

static void set_link(Set *set, uint32_t index, uint32_t bucket) {
    set->entries[index].next = set->heads[bucket];
    set->heads[bucket] = index + 1;
}

/* A new look: entries that were seen in an earlier one count as unseen. */
static uint32_t set_look(Set *set) {
    if (++set->looks == 0) {
        for (uint32_t i = 0; i < set->count; i++) set->entries[i].seen = 0;
        set->looks = 1;
    }
    return set->looks;
}

/* The numbers of the entries that were seen in this look, in order. */
static PyObject *set_seen(const Set *set, uint32_t look, uint32_t found) {
    PyObject *seen = PyTuple_New((Py_ssize_t)found);
    if (!seen) return NULL;
    Py_ssize_t at = 0;
    for (uint32_t i = 0; found && i < set->count; i++) {
        if (set->entries[i].seen != look) continue;
        PyObject *number = PyLong_FromUnsignedLong(i);
        if (!number || PyTuple_SetItem(seen, at++, number)) {
            Py_DECREF(seen);
            return NULL;
        }
    }
    return seen;
}

static inline uint32_t hashed(uint32_t hash, uint8_t byte) { return (hash ^ byte) * 16777619u; }

/* words(words: list[bytes], bits: list[int]) -> capsule

   A set of words, each with up to 64 bits, for word_groups. */
PyObject *words_make(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *words, *bits;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &words, &PyList_Type, &bits)) return NULL;
    if (PyList_Size(words) != PyList_Size(bits)) {
        PyErr_SetString(PyExc_ValueError, "as many words as bits are needed");
        return NULL;
    }
    Set *set = set_read(words, 8192, 1);
    if (!set) return NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        Entry *entry = &set->entries[i];
        entry->bits = PyLong_AsUnsignedLongLong(PyList_GetItem(bits, i));
        if (PyErr_Occurred()) {
            set_free(set);
            return NULL;
        }
        uint32_t hash = 2166136261u;
        for (uint32_t j = 0; j < entry->size; j++) hash = hashed(hash, entry->bytes[j]);
        set_link(set, i, (hash ^ hash >> 15) & set->mask);
    }
    PyObject *capsule = PyCapsule_New(set, WORDS, words_destroy);
    if (!capsule) set_free(set);
    return capsule;
}

/* word_groups(words: capsule, data: bytes) -> tuple[int, tuple[int, ...]]

   The bits of all words of the set that stand in lower-case UTF-8 between other bytes than letters, digits
   and apostrophes, and the words' numbers. */
PyObject *words_groups(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule, *data;
    char *text;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "OS", &capsule, &data)) return NULL;
    Set *set = PyCapsule_GetPointer(capsule, WORDS);
    if (!set || PyBytes_AsStringAndSize(data, &text, &size)) return NULL;
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t look = set_look(set), found = 0;
    uint64_t bits = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (!IN_WORD[bytes[at]]) continue;
        Py_ssize_t start = at;
        uint32_t hash = 2166136261u;
        for (; at < size && IN_WORD[bytes[at]]; at++) hash = hashed(hash, bytes[at]);
        Py_ssize_t length = at - start;
        if (length > (Py_ssize_t)set->longest) continue;
        for (uint32_t next = set->heads[(hash ^ hash >> 15) & set->mask]; next; next = set->entries[next - 1].next) {
            Entry *entry = &set->entries[next - 1];
            if (entry->size != length || memcmp(entry->bytes, bytes + start, (size_t)length)) continue;
            found += entry->seen != look;
            entry->seen = look;
            bits |= entry->bits;
        }
    }
    PyObject *seen = set_seen(set, look, found);
    return seen ? Py_BuildValue("(KN)", (unsigned long long)bits, seen) : NULL;
}

static inline uint32_t pair(const uint8_t *bytes) { return (uint32_t)bytes[0] * 31u ^ (uint32_t)bytes[1] << 4; }

/* phrases(phrases: list[bytes]) -> capsule

   A set of phrases of at least two bytes, for phrases_in. */
PyObject *phrases_make(PyObject *module, PyObject *list) {
    (void)module;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of phrases is needed");
        return NULL;
    }
    Set *set = set_read(list, 4096, 2);
    if (!set) return NULL;
    for (uint32_t i = 0; i < set->count; i++) set_link(set, i, pair(set->entries[i].bytes) & set->mask);
    PyObject *capsule = PyCapsule_New(set, PHRASES, phrases_destroy);
    if (!capsule) set_free(set);
    return capsule;
}

/* phrases_in(phrases: capsule, data: bytes) -> tuple[int, ...]

   The numbers of those phrases of the set that stand anywhere in the data, in order. */
PyObject *phrases_in(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule, *data;
    char *text;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "OS", &capsule, &data)) return NULL;
    Set *set = PyCapsule_GetPointer(capsule, PHRASES);
    if (!set || PyBytes_AsStringAndSize(data, &text, &size)) return NULL;
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t look = set_look(set), found = 0;
    for (Py_ssize_t at = 0; at + 1 < size; at++) {
        for (uint32_t next = set->heads[pair(bytes + at) & set->mask]; next; next = set->entries[next - 1].next) {
            Entry *entry = &set->entries[next - 1];
            if (entry->seen == look || (Py_ssize_t)entry->size > size - at ||
                memcmp(entry->bytes, bytes + at, entry->size))
                continue;
            entry->seen = look;
            found++;
        }
    }
    return set_seen(set, look, found);
}
