/* Hosted deployments as candidates of a plain request, and candidates in the order of their ranks.

   The Python that says the same is selection/plain.py and selection/ranking.py: it runs where this file could not be
   compiled, and the tests hold both together. Both passes answer None where something is not of the plain kind (a
   number that is no float, a mapping that is no dict), and Python does the work. Sums are those of Python, step by
   step, so that they round alike. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_fields.h"

#include <math.h>
#include <stdlib.h>

#pragma STDC FP_CONTRACT OFF /* a product that is added without being rounded first is another number */

static const char *FIELDS = "router.fields", *ROWS = "router.rows";

/* ---- Fields of structs ------------------------------------------------------------------------------------------- */

typedef struct {
    Field model, kind, failed, estimated;                /* of a candidate */
    Field usd, latency_ms, quality, worst_usd, tail_ms; /* of an estimate */
} Fields;

static inline int slot_set_double(const Field *field, PyObject *object, double value) {
    PyObject *number = PyFloat_FromDouble(value);
    int failed = !number || slot_set(field, object, number);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static void fields_free(Fields *fields) {
    PyObject *held[] = {
        fields->model.descriptor, fields->kind.descriptor, fields->failed.descriptor, fields->estimated.descriptor,
        fields->usd.descriptor, fields->latency_ms.descriptor, fields->quality.descriptor,
        fields->worst_usd.descriptor, fields->tail_ms.descriptor,
    };
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_XDECREF(held[i]);
    PyMem_Free(fields);
}

static void fields_destroy(PyObject *capsule) { fields_free(PyCapsule_GetPointer(capsule, FIELDS)); }

/* candidate_fields(candidate: type, estimate: type) -> capsule

   What the other functions need to know of both classes. */
PyObject *candidate_fields(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *candidate, *estimate, *capsule;
    if (!PyArg_ParseTuple(args, "OO", &candidate, &estimate)) return NULL;
    Fields *fields = PyMem_Calloc(1, sizeof *fields);
    if (!fields) return PyErr_NoMemory();
    if (field_of(&fields->model, candidate, "model") || field_of(&fields->kind, candidate, "kind") ||
        field_of(&fields->failed, candidate, "failed") ||
        field_of(&fields->estimated, candidate, "estimate") || field_of(&fields->usd, estimate, "usd") ||
        field_of(&fields->latency_ms, estimate, "latency_ms") || field_of(&fields->quality, estimate, "quality") ||
        field_of(&fields->worst_usd, estimate, "worst_usd") || field_of(&fields->tail_ms, estimate, "tail_ms") ||
        !(capsule = PyCapsule_New(fields, FIELDS, fields_destroy))) {
        fields_free(fields);
        return NULL;
    }
    return capsule;
}

/* ---- Rows: deployments for one task ------------------------------------------------------------------------------ */

typedef struct {
    PyObject *deployment, *name, *able;
    PyObject *copy_candidate, *copy_estimate; /* methods of those that hold what no request changes */
    int is_out;                               /* it cannot be called at all, so that no limit matters */
    double most_input, window, most_output, ttft_ms, tokens_per_s, per_call, input, output, worst_input, worst_output;
} Row;

typedef struct {
    PyObject *fields; /* the capsule */
    Py_ssize_t count;
    Row rows[];
} Rows;

static void rows_free(Rows *rows) {
    for (Py_ssize_t i = 0; i < rows->count; i++) {
        Row *row = &rows->rows[i];
        Py_XDECREF(row->deployment);
        Py_XDECREF(row->name);
        Py_XDECREF(row->able);
        Py_XDECREF(row->copy_candidate);
        Py_XDECREF(row->copy_estimate);
    }
    Py_XDECREF(rows->fields);
    PyMem_Free(rows);
}

static void rows_destroy(PyObject *capsule) { rows_free(PyCapsule_GetPointer(capsule, ROWS)); }

static int row_read(Row *row, const Fields *fields, PyObject *given) {
    PyObject *deployment, *candidate, *able;
    if (!PyArg_ParseTuple(given, "OOOdddddddddd", &deployment, &candidate, &able, &row->most_input, &row->window,
                          &row->most_output, &row->ttft_ms, &row->tokens_per_s, &row->per_call, &row->input,
                          &row->output, &row->worst_input, &row->worst_output))
        return -1;
    row->deployment = Py_NewRef(deployment), row->able = Py_NewRef(able);
    PyObject *failed, *estimate;
    if (!(row->name = slot_get(&fields->model, candidate)) ||
        !(row->copy_candidate = PyObject_GetAttrString(candidate, "__copy__")) ||
        !(failed = slot_get(&fields->failed, candidate)))
        return -1;
    row->is_out = failed != Py_None;
    Py_DECREF(failed);
    if (!(estimate = slot_get(&fields->estimated, candidate))) return -1;
    row->copy_estimate = PyObject_GetAttrString(estimate, "__copy__");
    Py_DECREF(estimate);
    return row->copy_estimate ? 0 : -1;
}

/* hosted_rows(fields: capsule, rows: list[tuple]) -> capsule

   Rows of deployment, candidate, what it is able to do; most input, window, most output, ms to the first token, tokens
   a second, USD a call and a token of input, output, the dearest input, the dearest output. */
PyObject *hosted_rows(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return NULL;
    Fields *fields = PyCapsule_GetPointer(capsule, FIELDS);
    Py_ssize_t count = fields ? PyList_Size(list) : -1;
    if (count < 0) return NULL;
    Rows *rows = PyMem_Calloc(1, sizeof *rows + (size_t)count * sizeof *rows->rows);
    if (!rows) return PyErr_NoMemory();
    rows->fields = Py_NewRef(capsule), rows->count = count;
    for (Py_ssize_t i = 0; i < count; i++)
        if (row_read(&rows->rows[i], fields, PyList_GetItem(list, i))) goto failed;
    PyObject *made = PyCapsule_New(rows, ROWS, rows_destroy);
    if (made) return made;
failed:
    rows_free(rows);
    return NULL;
}

/* ---- A request's candidates -------------------------------------------------------------------------------------- */

typedef struct {
    double sent, expected, most, size, wanted, most_usd, most_ms;
    PyObject *needs, *apart, *measured, *tails, *other;
    int has_needs, has_apart, has_measured, has_tails;
} Ask;

static int ask_is_plain(Ask *ask) {
    if (!PyAnySet_Check(ask->needs) || !PyAnySet_Check(ask->apart) || !PyDict_CheckExact(ask->measured) ||
        !PyDict_CheckExact(ask->tails))
        return 0;
    ask->has_needs = PySet_Size(ask->needs) > 0, ask->has_apart = PySet_Size(ask->apart) > 0;
    ask->has_measured = PyDict_Size(ask->measured) > 0, ask->has_tails = PyDict_Size(ask->tails) > 0;
    return 1;
}

/* Whether the row settles what the request asks for; -1 with an error. */
static int row_settles(const Row *row, const Ask *ask, double usd, double latency_ms) {
    if (!(ask->sent <= row->most_input && ask->size <= row->window && ask->wanted <= row->most_output)) return 0;
    if (!((usd <= ask->most_usd && latency_ms <= ask->most_ms) || row->is_out)) return 0;
    int is_able = ask->has_needs ? PyObject_RichCompareBool(ask->needs, row->able, Py_LE) : 1;
    if (is_able <= 0 || !ask->has_apart) return is_able;
    int is_apart = PySet_Contains(ask->apart, row->name);
    return is_apart < 0 ? -1 : !is_apart;
}

/* The candidate of a row with these figures. */
static PyObject *row_candidate(const Row *row, const Fields *fields, const Ask *ask, double usd, PyObject *latency_ms) {
    double worst_usd = row->per_call + ask->sent * row->worst_input + ask->most * row->worst_output;
    PyObject *candidate = NULL, *tail_ms = ask->has_tails ? PyDict_GetItemWithError(ask->tails, row->name) : NULL;
    if (!tail_ms && PyErr_Occurred()) return NULL;
    PyObject *estimate = PyObject_CallNoArgs(row->copy_estimate);
    if (estimate && !slot_set_double(&fields->usd, estimate, usd) &&
        !slot_set(&fields->latency_ms, estimate, latency_ms) &&
        !slot_set_double(&fields->worst_usd, estimate, worst_usd) &&
        (!tail_ms || !slot_set(&fields->tail_ms, estimate, tail_ms)))
        candidate = PyObject_CallNoArgs(row->copy_candidate);
    if (candidate && slot_set(&fields->estimated, candidate, estimate)) Py_CLEAR(candidate);
    Py_XDECREF(estimate);
    return candidate;
}

/* How long it takes: what was measured, or what the catalogue expects. NULL with an error; NULL without where what was
   measured is no float, or nothing is written a second. */
static PyObject *row_latency(const Row *row, const Ask *ask) {
    PyObject *measured = ask->has_measured ? PyDict_GetItemWithError(ask->measured, row->name) : NULL;
    if (measured) return PyFloat_CheckExact(measured) ? Py_NewRef(measured) : NULL;
    if ((ask->has_measured && PyErr_Occurred()) || row->tokens_per_s == 0.0) return NULL;
    return PyFloat_FromDouble(row->ttft_ms + ask->expected * 1000.0 / row->tokens_per_s);
}

/* As row_latency. */
static PyObject *row_hosted(const Row *row, const Fields *fields, const Ask *ask) {
    double usd = row->per_call + ask->sent * row->input + ask->expected * row->output;
    PyObject *candidate = NULL, *latency_ms = row_latency(row, ask);
    if (!latency_ms) return NULL;
    int is_settled = row_settles(row, ask, usd, PyFloat_AsDouble(latency_ms));
    if (is_settled > 0) candidate = row_candidate(row, fields, ask, usd, latency_ms);
    if (is_settled == 0) candidate = PyObject_CallFunctionObjArgs(ask->other, row->deployment, NULL);
    Py_DECREF(latency_ms);
    return candidate;
}

/* hosted(rows: capsule, sent, expected, most, size, wanted, most_usd, most_ms, needs, apart, measured, tails, other)
   -> list[Candidate] | None

   A candidate for each row, by other(deployment) where the row does not settle it. */
PyObject *hosted(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule;
    Ask ask;
    if (!PyArg_ParseTuple(args, "OdddddddOOOOO", &capsule, &ask.sent, &ask.expected, &ask.most, &ask.size, &ask.wanted,
                          &ask.most_usd, &ask.most_ms, &ask.needs, &ask.apart, &ask.measured, &ask.tails, &ask.other)) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL; /* else no double is that large */
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Rows *rows = PyCapsule_GetPointer(capsule, ROWS);
    Fields *fields = rows ? PyCapsule_GetPointer(rows->fields, FIELDS) : NULL;
    if (!fields) return NULL;
    if (!ask_is_plain(&ask)) Py_RETURN_NONE;
    PyObject *found = PyList_New(rows->count);
    for (Py_ssize_t i = 0; found && i < rows->count; i++) {
        PyObject *candidate = row_hosted(&rows->rows[i], fields, &ask);
        if (candidate) {
            PyList_SetItem(found, i, candidate);
            continue;
        }
        Py_CLEAR(found);
        if (!PyErr_Occurred()) Py_RETURN_NONE;
    }
    return found;
}

/* ---- Ranks ------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *candidate, *name; /* both held by who asks: the candidate by the tuple, the name by the candidate */
    double worth;
    long place;
    Py_ssize_t at;
} Rank;

static int before(const void *one, const void *other) {
    const Rank *a = one, *b = other;
    if (a->place != b->place) return a->place < b->place ? -1 : 1;
    if (a->worth != b->worth) return a->worth < b->worth ? -1 : 1;
    int by_name = PyUnicode_Compare(a->name, b->name);
    return by_name ? by_name : a->at < b->at ? -1 : 1;
}

typedef struct {
    PyObject *places;
    double quality, cost, latency;
    long local;
} Order;

enum { PLAIN = 1, FAILED = 0, ODD = -1 }; /* ODD with or without an error */

/* Reads a float into value, None as zero: whether there is one; ODD for anything else. */
static int number_of(const Field *field, PyObject *object, double *value) {
    PyObject *number = slot_get(field, object);
    int is_float = number && PyFloat_CheckExact(number), is_none = number == Py_None;
    *value = is_float ? PyFloat_AsDouble(number) : 0.0;
    Py_XDECREF(number);
    return is_float || is_none ? is_float : ODD;
}

static int is_local(const Fields *fields, PyObject *candidate) {
    PyObject *kind = slot_get(&fields->kind, candidate);
    int found = !kind || !PyUnicode_CheckExact(kind) ? ODD : PyUnicode_CompareWithASCIIString(kind, "local") == 0;
    Py_XDECREF(kind);
    return found;
}

/* Quality less what cost and latency weigh; an unknown price counts as the worst. 0, or ODD. */
static int worth_of(Rank *rank, const Fields *fields, const Order *order) {
    PyObject *estimate = slot_get(&fields->estimated, rank->candidate);
    if (!estimate) return ODD;
    double usd, latency_ms, quality;
    int has_usd = number_of(&fields->usd, estimate, &usd);
    int is_odd = has_usd == ODD || number_of(&fields->latency_ms, estimate, &latency_ms) == ODD ||
                 number_of(&fields->quality, estimate, &quality) == ODD;
    Py_DECREF(estimate);
    if (is_odd) return ODD;
    rank->worth = INFINITY;
    if (has_usd) rank->worth = -(order->quality * quality - order->cost * usd - order->latency * latency_ms);
    return isnan(rank->worth) ? ODD : 0; /* what compares with nothing has no place in an order */
}

/* Fills in the rank of rank->candidate. */
static int rank_read(Rank *rank, const Fields *fields, const Order *order) {
    PyObject *failed = slot_get(&fields->failed, rank->candidate);
    Py_XDECREF(failed);
    if (failed != Py_None) return failed ? FAILED : ODD;
    rank->name = slot_get(&fields->model, rank->candidate);
    Py_XDECREF(rank->name);
    if (!rank->name || !PyUnicode_CheckExact(rank->name)) return ODD;
    int local = is_local(fields, rank->candidate);
    if (local < 0 || worth_of(rank, fields, order) == ODD) return ODD;
    rank->place = order->local;
    if (local) return PLAIN;
    PyObject *place = PyDict_GetItemWithError(order->places, rank->name);
    rank->place = place ? PyLong_AsLong(place) : -1;
    return place && !(rank->place == -1 && PyErr_Occurred()) ? PLAIN : ODD;
}

/* ordered(fields: capsule, found: tuple[Candidate, ...], places: dict[str, int], local: int, quality, cost, latency)
   -> list[Candidate] | None

   Those that did not fail, the least place first, then the most worth, then the name. */
PyObject *candidates_ordered(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule, *found, *result = NULL;
    Order order;
    if (!PyArg_ParseTuple(args, "OO!O!lddd", &capsule, &PyTuple_Type, &found, &PyDict_Type, &order.places, &order.local,
                          &order.quality, &order.cost, &order.latency))
        return NULL;
    Fields *fields = PyCapsule_GetPointer(capsule, FIELDS);
    if (!fields) return NULL;
    Py_ssize_t size = PyTuple_Size(found), count = 0;
    Rank *ranks = PyMem_Malloc((size_t)(size + 1) * sizeof *ranks);
    if (!ranks) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < size; i++) {
        ranks[count].candidate = PyTuple_GetItem(found, i), ranks[count].at = i;
        int read_as = rank_read(&ranks[count], fields, &order);
        if (read_as == ODD) goto done;
        count += read_as == PLAIN;
    }
    qsort(ranks, (size_t)count, sizeof *ranks, before);
    result = PyList_New(count);
    for (Py_ssize_t i = 0; result && i < count; i++) PyList_SetItem(result, i, Py_NewRef(ranks[i].candidate));
done:
    PyMem_Free(ranks);
    if (!result && !PyErr_Occurred()) Py_RETURN_NONE;
    return result;
}
