/*
 * commands -- what `haechi WORD ...` does: one function a word, one file a function.
 *
 * argv[0] is the word. The result is the exit status: 0 good, 1 the answer is "no", 2 usage or environment.
 * With --json one value or JSON lines on standard output, else a table for people; diagnostics on standard error.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_COMMANDS_H
#define HAECHI_GATEWAY_COMMANDS_COMMANDS_H

#define EXIT_GOOD  0
#define EXIT_NO    1
#define EXIT_USAGE 2

int command_archive(int argc, char **argv); /* of `haechi audit archive|detach|archives`; argv[0] is that word */
int command_audit(int argc, char **argv);
int command_bundle(int argc, char **argv); /* of `haechi policy bundle`; argv[0] is "bundle" */
int command_classify(int argc, char **argv);
int command_db(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_key(int argc, char **argv);
int command_policy(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_report(int argc, char **argv);
int command_review(int argc, char **argv);
int command_rotate(int argc, char **argv); /* of `haechi key rotate`; argv[0] is "rotate" */
int command_shred(int argc, char **argv); /* of `haechi audit shred` and `expire`; argv[0] says which */
int command_status(int argc, char **argv);
int command_usecase(int argc, char **argv);

#endif
