/* file -- whole files in and out, for bytes.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/bytes.h"

int
file_read(struct buffer *out, const char *path, size_t limit, struct fault *why)
{
	const bool standard = strcmp(path, "-") == 0;
	const int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int result = -1;

	buffer_init(out, limit);
	if (file == -1)
		return fault_errno(why, "파일을 열 수 없습니다: %s", "cannot open %s", path);
	for (;;) {
		uint8_t block[16384];
		const ssize_t got = read(file, block, sizeof block);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1) {
			fault_errno(why, "파일을 읽을 수 없습니다: %s", "cannot read %s", path);
			goto out;
		}
		if (got == 0)
			break;
		buffer_append(out, block, (size_t)got);
		if (!buffer_ok(out)) {
			fault_set(why, FAULT_TOO_LARGE, "파일이 너무 큽니다: %s (최대 %zu바이트)",
			          "%s is too large (at most %zu bytes)", path, limit);
			goto out;
		}
	}
	if (buffer_text(out) == NULL) {
		fault_memory(why);
		goto out;
	}
	result = 0;
out:
	if (!standard)
		close(file);
	if (result == -1)
		buffer_free(out);
	return result;
}

static int
write_all(int file, struct slice content)
{
	while (content.size > 0) {
		const ssize_t put = write(file, content.data, content.size);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		content.data += put;
		content.size -= (size_t)put;
	}
	return 0;
}

int
file_replace(const char *path, struct slice content, unsigned mode, struct fault *why)
{
	char temporary[PATH_MAX], folder[PATH_MAX];
	int file = -1, directory = -1, result = -1;

	if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s", "path too long: %s", path);
	snprintf(folder, sizeof folder, "%s", path);
	file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (file == -1 || fchmod(file, (mode_t)mode) == -1 || write_all(file, content) == -1 ||
	    fdatasync(file) == -1 || rename(temporary, path) == -1) {
		fault_errno(why, "파일을 쓸 수 없습니다: %s", "cannot write %s", path);
		goto out;
	}
	directory = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1 || fsync(directory) == -1) {
		fault_errno(why, "폴더를 디스크에 반영할 수 없습니다: %s", "cannot sync the folder of %s",
		            path);
		goto out;
	}
	result = 0;
out:
	if (file != -1)
		close(file);
	if (directory != -1)
		close(directory);
	if (result == -1)
		unlink(temporary);
	return result;
}
