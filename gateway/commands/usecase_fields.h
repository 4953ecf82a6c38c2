/*
 * usecase_fields -- `haechi usecase fields`: what may be entered about a use of AI, with its meaning in Korean and English, out of
 * usecase.schema.json.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_USECASE_FIELDS_H
#define HAECHI_GATEWAY_COMMANDS_USECASE_FIELDS_H

/* argv[0] is "fields". The exit status. */
int usecase_fields(int argc, char **argv);

#endif
