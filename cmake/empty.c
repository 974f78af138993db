/* A library needs one source of its own where llhttp comes ready-made. */
typedef int hookpace_empty_unit;
