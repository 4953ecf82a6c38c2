/*
 * usecase_registry -- `haechi usecase add|edit|list|show|retire`: the registry, through the running gateway.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_USECASE_REGISTRY_H
#define HAECHI_GATEWAY_COMMANDS_USECASE_REGISTRY_H

/* argv[0] is the word behind `usecase`. -1: not a word of the registry; else the exit status. */
int usecase_registry(int argc, char **argv);
/* Lines for `haechi usecase --help`. */
extern const char usecase_registry_usage[];

#endif
