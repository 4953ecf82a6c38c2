#!/usr/bin/env bash
# Cedar decided by Haechi, cedar-go and cedar-wasm in one run: the same policies, request and entities, interleaved, ROUNDS
# times, medians of processor time. What is not here is said and left out:
#   CEDAR_GO    a checkout of github.com/cedar-policy/cedar-go (built here, outside the tree, with GO or `go`, 1.23 or later),
#               or the program that tests/bench/peers/cedar_go makes of one
#               GO_EXP, where no module proxy can be reached: a folder that stands for its module golang.org/x/exp
#   CEDAR_WASM  a folder with node_modules/@cedar-policy/cedar-wasm
#   tests/bench/cedar.sh BUILD_DIR [table|json]      ROUNDS=3 SHAPES="mixed roles open"
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${1:-build}
FORM=${2:-table}
ROUNDS=${ROUNDS:-3}
SHAPES=${SHAPES:-mixed roles open}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
say() { echo "$@" >&2; }

ENGINES=(haechi)
GO_PEER=
if [ -z "${CEDAR_GO:-}" ]; then
	say "cedar-go is left out: set CEDAR_GO to its checkout (see $0)"
elif [ -f "$CEDAR_GO" ]; then
	GO_PEER=$CEDAR_GO
elif ! command -v "${GO:-go}" >/dev/null; then
	say "cedar-go is left out: there is no Go here (GO=/path/to/bin/go)"
else
	cp -r tests/bench/peers/cedar_go "$WORK/peer"
	if (cd "$WORK/peer" && export GOTOOLCHAIN=local GOFLAGS=-mod=mod GONOSUMDB=\* GONOSUMCHECK=1 &&
		"${GO:-go}" mod edit -replace "github.com/cedar-policy/cedar-go=$(realpath "$CEDAR_GO")" &&
		{ [ -z "${GO_EXP:-}" ] || "${GO:-go}" mod edit -replace "golang.org/x/exp=$(realpath "$GO_EXP")"; } &&
		"${GO:-go}" build -o "$WORK/cedar_go" .) >"$WORK/go.log" 2>&1; then
		GO_PEER=$WORK/cedar_go
	else
		say "cedar-go is left out: it could not be built"
		tail -n 5 "$WORK/go.log" >&2
	fi
fi
[ -z "$GO_PEER" ] || ENGINES+=(cedar-go)
if [ -n "${CEDAR_WASM:-}" ] && [ -d "$CEDAR_WASM/node_modules/@cedar-policy/cedar-wasm" ] && command -v node >/dev/null; then
	ENGINES+=(cedar-wasm)
else
	say "cedar-wasm is left out: set CEDAR_WASM to a folder with its npm package, and install node"
fi

ask() { # ENGINE SHAPE COUNT
	case $1 in
	haechi) "$BUILD/bench/cedar" run "$WORK/questions" "$2" "$3" ;;
	cedar-go) "$GO_PEER" run "$WORK/questions" "$2" "$3" ;;
	cedar-wasm) node tests/bench/peers/cedar_wasm.mjs run "$WORK/questions" "$2" "$3" ;;
	esac
}

"$BUILD/bench/cedar" write "$WORK/questions"
: >"$WORK/results"
for ((round = 1; round <= ROUNDS; round++)); do
	for shape in $SHAPES; do
		for count in 5 50 500; do
			for engine in "${ENGINES[@]}"; do
				# once is enough for what is a hundred times slower
				[ "$engine" != cedar-wasm ] || [ "$round" = 1 ] || continue
				ask "$engine" "$shape" "$count" >>"$WORK/results"
			done
		done
	done
	say "round $round of $ROUNDS"
done
python3 - "$FORM" "$WORK/results" <<'PY'
import json, statistics, sys
form, path = sys.argv[1:]
runs = {}
for line in open(path):
    r = json.loads(line)
    runs.setdefault((r['shape'], r['policies'], r['engine']), []).append(r)
if form == 'table':
    print('%-6s %8s  %-10s %12s %8s %14s %8s  %s' % ('shape', 'policies', 'engine', 'decision us', 'x haechi', 'parse+check us', 'x haechi', 'says'))
wrong = False
for (shape, policies, engine), list_ in runs.items():
    middle = lambda of, key: statistics.median(r[key] for r in of)
    ours = runs[shape, policies, 'haechi']
    d, l = middle(list_, 'decision_us'), middle(list_, 'load_us')
    d_ratio, l_ratio = d / middle(ours, 'decision_us'), l / middle(ours, 'load_us')
    wrong |= any(r['allow'] != ours[0]['allow'] for r in list_)
    if form == 'table':
        print('%-6s %8d  %-10s %12.2f %8.1f %14.0f %8.1f  %s' % (shape, policies, engine, d, d_ratio, l, l_ratio, 'allow' if list_[0]['allow'] else 'deny'))
    else:
        print(json.dumps({'bench': 'cedar', 'shape': shape, 'policies': policies, 'engine': engine, 'decision_us': round(d, 3), 'decision_of_haechi': round(d_ratio, 2), 'load_us': round(l, 1), 'load_of_haechi': round(l_ratio, 2)}))
if wrong: sys.exit('the engines do not agree')
PY
