/*
 * console_page -- the bilingual status page of /console/.
 * The hashes name its only style and its only script in Content-Security-Policy (tests/unit/test_console_page.c checks them).
 */
#ifndef HAECHI_GATEWAY_CONSOLE_PAGE_H
#define HAECHI_GATEWAY_CONSOLE_PAGE_H

#define CONSOLE_STYLE_HASH  "BiQlb/7LvOZit0ts8Uu+ebZkyeefbB2hO/1tgF13lSo="
#define CONSOLE_SCRIPT_HASH "maXr3OvEIpsCFHo7fHPmVK3Juxzv1PCdy1edF8OUk8A="

extern const char console_page[];

#endif
