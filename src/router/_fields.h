/* Fields of msgspec's structs, read and written through the slots of their classes. */

#ifndef ROUTER_FIELDS_H
#define ROUTER_FIELDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* A slot of a class. Read through its descriptor it costs a third of an attribute; written through it, a struct that
   nobody has seen yet is completed, frozen as it is for everybody else. */
typedef struct {
    PyObject *descriptor;
    descrgetfunc get;
    descrsetfunc set;
} Field;

static inline int field_of(Field *field, PyObject *class, const char *name) {
    field->descriptor = PyObject_GetAttrString(class, name);
    if (!field->descriptor) return -1;
    field->get = (descrgetfunc)PyType_GetSlot(Py_TYPE(field->descriptor), Py_tp_descr_get);
    field->set = (descrsetfunc)PyType_GetSlot(Py_TYPE(field->descriptor), Py_tp_descr_set);
    if (field->get && field->set) return 0;
    PyErr_Format(PyExc_TypeError, "%s is no slot", name);
    return -1;
}

/* A new reference, NULL with an error. */
static inline PyObject *slot_get(const Field *field, PyObject *object) {
    return field->get(field->descriptor, object, (PyObject *)Py_TYPE(object));
}

static inline int slot_set(const Field *field, PyObject *object, PyObject *value) {
    return field->set(field->descriptor, object, value);
}

#endif
