/*
 * console_page -- the bilingual status page of /console/.
 * The hashes name its only style and its only script in Content-Security-Policy (tests/unit/test_console_page.c checks them).
 */
#ifndef HAECHI_GATEWAY_CONSOLE_PAGE_H
#define HAECHI_GATEWAY_CONSOLE_PAGE_H

#define CONSOLE_STYLE_HASH  "DenJfZSOhxjO0WdGHX+YuTFi2H+BpxJK7uDAv7ELxqQ="
#define CONSOLE_SCRIPT_HASH "adCQg24VWbJPkInwnw3wbmZeR5vQxUjpXQg/q1tP7nE="

extern const char console_page[];

#endif
