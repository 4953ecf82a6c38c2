/*
 * version -- of the whole; all programs of one build have the same one, and the log's start entry names it.
 */
#ifndef HAECHI_SCHEMA_VERSION_H
#define HAECHI_SCHEMA_VERSION_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HAECHI_VERSION "0.1.0"

/* true: `--version` was all that was asked, and "PROGRAM VERSION" is printed. The first thing a main does. */
static inline bool
version_asked(int argc, char **argv, const char *program)
{
	if (argc != 2 || strcmp(argv[1], "--version") != 0)
		return false;
	printf("%s " HAECHI_VERSION "\n", program);
	return true;
}

#endif
