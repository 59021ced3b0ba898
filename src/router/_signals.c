/* Signals that are computed once: the part of types/lazy.py that every decision passes through dozens of times.

   The Python there says the same: it runs where this file could not be compiled, and the tests hold both together. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_fields.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *request, *by_name, *known, *views;
} Lazy;

/* Interned once: the names of what is asked of detectors and of the class built on this one; what it answers with. */
static PyObject *SLOW, *FAILED;
static PyObject *SIGNAL, *NOTHING_KNOWN;

/* What is known of rules: their class, the function that one reads by, and the signal that all of them begin with. */
static struct {
    PyObject *class, *copy;
    Field read, value, confidence;
} RULES;

static PyObject *uninitialised(void) {
    PyErr_SetString(PyExc_RuntimeError, "Signals.__init__ was not called");
    return NULL;
}

/* The detector of a signal, borrowed; NULL without an error where there is none, or where it is slow and not wanted. */
static PyObject *detector_of(Lazy *self, PyObject *name, int runs_slow) {
    PyObject *detector;
    if (PyDict_CheckExact(self->by_name)) {
        detector = PyDict_GetItemWithError(self->by_name, name);
    } else {
        detector = PyObject_GetItem(self->by_name, name);
        if (!detector && PyErr_ExceptionMatches(PyExc_KeyError)) PyErr_Clear();
        Py_XDECREF(detector); /* the mapping holds it */
    }
    if (!detector || runs_slow) return detector;
    PyObject *is_slow = PyObject_GetAttr(detector, SLOW);
    int skips = is_slow ? PyObject_IsTrue(is_slow) : 1;
    Py_XDECREF(is_slow);
    return skips ? NULL : detector;
}

/* What is told in place of what a detector that raised would have: by self._failed(detector, error). */
static PyObject *failed(Lazy *self, PyObject *detector) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return NULL;
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace) PyException_SetTraceback(error, trace);
    PyObject *told = PyObject_CallMethodObjArgs((PyObject *)self, FAILED, detector, error, NULL);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    return told;
}

/* Keeps what a detector told, a signal or several by name; what is known stays. 0, or -1 with an error. */
static int keep(Lazy *self, PyObject *name, PyObject *told) {
    int is_signal = PyObject_TypeCheck(told, (PyTypeObject *)SIGNAL);
    return is_signal ? PyDict_SetItem(self->known, name, told) : PyDict_Merge(self->known, told, 0);
}

/* The signal of a rule: what signals/rule.py does. */
static PyObject *ruled(Lazy *self, PyObject *rule) {
    PyObject *read = slot_get(&RULES.read, rule), *signal = NULL;
    PyObject *said = read ? PyObject_CallFunctionObjArgs(read, self, NULL) : NULL;
    Py_XDECREF(read);
    if (!said) return NULL;
    if (!PyTuple_CheckExact(said) || PyTuple_Size(said) != 2) {
        PyErr_SetString(PyExc_TypeError, "a rule says a value and how sure it is");
    } else if ((signal = PyObject_CallNoArgs(RULES.copy))) {
        PyObject *value = PyTuple_GetItem(said, 0);
        if (slot_set(&RULES.value, signal, value) ||
            (value != Py_None && slot_set(&RULES.confidence, signal, PyTuple_GetItem(said, 1))))
            Py_CLEAR(signal);
    }
    Py_DECREF(said);
    return signal;
}

/* What a detector tells; a new reference. */
static inline PyObject *told_by(Lazy *self, PyObject *detector) {
    int is_rule = (PyObject *)Py_TYPE(detector) == RULES.class;
    return is_rule ? ruled(self, detector) : PyObject_CallFunctionObjArgs(detector, self, NULL);
}

/* Computes a signal; a new reference. */
static PyObject *computed(Lazy *self, PyObject *name, int runs_slow) {
    PyObject *detector = detector_of(self, name, runs_slow);
    if (!detector) return PyErr_Occurred() ? NULL : Py_NewRef(NOTHING_KNOWN);
    Py_INCREF(detector);
    PyObject *told = told_by(self, detector);
    if (!told || keep(self, name, told)) {
        Py_XDECREF(told);
        told = failed(self, detector);
        if (told && keep(self, name, told)) Py_CLEAR(told);
    }
    Py_DECREF(detector);
    if (!told) return NULL;
    Py_DECREF(told);
    PyObject *found = PyDict_GetItemWithError(self->known, name);
    if (found) return Py_NewRef(found);
    if (PyErr_Occurred() || PyDict_SetItem(self->known, name, NOTHING_KNOWN)) return NULL;
    return Py_NewRef(NOTHING_KNOWN);
}

static PyObject *told(Lazy *self, PyObject *name, int runs_slow) {
    if (!self->known || !self->by_name) return uninitialised();
    PyObject *found = PyDict_GetItemWithError(self->known, name);
    if (found) return Py_NewRef(found);
    return PyErr_Occurred() ? NULL : computed(self, name, runs_slow);
}

static PyObject *lazy_get(PyObject *self, PyObject *name) { return told((Lazy *)self, name, 0); }

static PyObject *lazy_run(PyObject *self, PyObject *name) { return told((Lazy *)self, name, 1); }

static PyObject *lazy_view(PyObject *object, PyObject *make) {
    Lazy *self = (Lazy *)object;
    if (!self->views) return uninitialised();
    PyObject *view = PyDict_GetItemWithError(self->views, make);
    if (view) return Py_NewRef(view);
    if (PyErr_Occurred()) return NULL;
    view = PyObject_CallFunctionObjArgs(make, self, NULL);
    if (view && PyDict_SetItem(self->views, make, view)) Py_CLEAR(view);
    return view;
}

static int lazy_traverse(PyObject *object, visitproc visit, void *arg) {
    Lazy *self = (Lazy *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->request);
    Py_VISIT(self->by_name);
    Py_VISIT(self->known);
    Py_VISIT(self->views);
    return 0;
}

static int lazy_clear(PyObject *object) {
    Lazy *self = (Lazy *)object;
    Py_CLEAR(self->request);
    Py_CLEAR(self->by_name);
    Py_CLEAR(self->known);
    Py_CLEAR(self->views);
    return 0;
}

static void lazy_free(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    lazy_clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMemberDef MEMBERS[] = {
    {"request", T_OBJECT_EX, offsetof(Lazy, request), 0, NULL},
    {"_by_name", T_OBJECT_EX, offsetof(Lazy, by_name), 0, NULL},
    {"_known", T_OBJECT_EX, offsetof(Lazy, known), 0, NULL},
    {"_views", T_OBJECT_EX, offsetof(Lazy, views), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef LAZY_METHODS[] = {
    {"get", lazy_get, METH_O, NULL},
    {"run", lazy_run, METH_O, NULL},
    {"view", lazy_view, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_members, MEMBERS},
    {Py_tp_methods, LAZY_METHODS},
    {Py_mp_subscript, lazy_get},
    {Py_tp_traverse, lazy_traverse},
    {Py_tp_clear, lazy_clear},
    {Py_tp_dealloc, lazy_free},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "router._ngrams.LazySignals",
    .basicsize = sizeof(Lazy),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = SLOTS,
};

/* lazy_signals(signal: type[Signal], unknown: Signal) -> type

   The class :class:`router.types.lazy.LazySignals`. */
PyObject *lazy_signals(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *signal, *unknown;
    if (!PyArg_ParseTuple(args, "O!O", &PyType_Type, &signal, &unknown)) return NULL;
    if (!SLOW && !(SLOW = PyUnicode_InternFromString("slow"))) return NULL;
    if (!FAILED && !(FAILED = PyUnicode_InternFromString("_failed"))) return NULL;
    Py_XDECREF(SIGNAL), Py_XDECREF(NOTHING_KNOWN);
    SIGNAL = Py_NewRef(signal), NOTHING_KNOWN = Py_NewRef(unknown);
    return PyType_FromSpec(&SPEC);
}

/* rule_signals(rule: type[Rule], signal: Signal) -> None

   Has signals of rules told without a call of theirs; each begins as a copy of this signal, which is unknown. */
PyObject *rule_signals(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *rule, *signal;
    if (!PyArg_ParseTuple(args, "OO", &rule, &signal)) return NULL;
    PyObject *class = (PyObject *)Py_TYPE(signal), *copy = PyObject_GetAttrString(signal, "__copy__");
    if (!copy || field_of(&RULES.read, rule, "read") || field_of(&RULES.value, class, "value") ||
        field_of(&RULES.confidence, class, "confidence")) {
        Py_XDECREF(copy);
        return NULL;
    }
    RULES.copy = copy, RULES.class = Py_NewRef(rule);
    Py_RETURN_NONE;
}
