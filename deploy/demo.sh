#!/usr/bin/env bash
# Register the demo uses of AI and issue a key for each, through the running gateway. Safe to repeat: what is there stays.
#   deploy/demo.sh STATE      writes STATE/demo-keys, mode 0600, because a key is shown once
set -euo pipefail
cd "$(dirname "$0")/.."
state=$1 build=${BUILD:-build}
control=$state/control.sock

known=$("$build/haechi" usecase list --socket "$control" --json)
for file in deploy/demo/*.json; do
	id=$(basename "$file" .json)
	grep -q "\"id\":\"$id\"" <<<"$known" || "$build/haechi" usecase add "$file" --socket "$control"
done
[ -s "$state/demo-keys" ] || {
	umask 077
	issue() { # NAME SERVICE USECASE
		printf "%s=%s\n" "$1" "$("$build/haechi" key create --agency haneul --service "$2" --usecase "$3" --socket "$control" --json |
			sed -n 's/.*"key":"\([^"]*\)".*/\1/p')"
	}
	{
		issue KEY_GUIDE minwon-chatbot civil-guide
		issue KEY_WELFARE welfare-desk welfare-eligibility
		issue KEY_DRAFT office-drafting office-drafting
	} >"$state/demo-keys.new"
	grep -q '=$' "$state/demo-keys.new" && {
		echo "시범 키를 만들지 못했습니다 / the demo keys could not be made" >&2
		exit 2
	}
	mv "$state/demo-keys.new" "$state/demo-keys"
}
