#!/bin/sh
# Compares package zmqio of the work tree with that of another commit, by the
# micro-benchmarks of the work tree. It builds both test programs, runs them in turn, and
# gives the results to benchstat.
#
# Usage: bench-compare.sh REF [BENCH [COUNT [FAIL]]]
#
# REF is any commit, BENCH a regular expression for -test.bench, and COUNT the number of runs
# of each program. With FAIL the script fails if a benchmark of the work tree is slower by more
# than FAIL percent, or allocates more. The difference must be significant, with p of 0.05 or
# less. COUNT must be 4 or more for that. The program benchgate decides.
set -eu

ref=${1:?usage: bench-compare.sh REF [BENCH [COUNT [FAIL]]]} bench=${2:-.} count=${3:-6} fail=${4:-}
case $count in
*[!0-9]*)
	echo "bench-compare: COUNT is $count, and not a number of runs" >&2
	exit 2
	;;
esac
case $fail in
*[!0-9.]*)
	echo "bench-compare: FAIL is $fail, and not a number of percent" >&2
	exit 2
	;;
esac
if [ -n "$fail" ] && [ "$count" -lt 4 ]; then
	echo "bench-compare: FAIL needs a COUNT of 4 or more" >&2
	exit 2
fi
cd "$(dirname "$0")/../.."
go=${GO:-go}
suite=zmqio/bench_test.go

dir=$(mktemp -d)
trap 'rm -rf "$dir"; git worktree prune' EXIT
trap 'exit 130' INT TERM
git worktree add --quiet --detach "$dir/ref" "$ref"
cp "$suite" "$dir/ref/$suite"

"$go" -C "$dir/ref" test -c -o "$dir/ref.test" ./zmqio
"$go" test -c -o "$dir/here.test" ./zmqio

i=0
while [ "$i" -lt "$count" ]; do
	i=$((i + 1))
	for side in ref here; do
		echo "bench-compare: $i of $count, $side" >&2
		if ! "$dir/$side.test" -test.run '^$' -test.bench "$bench" -test.benchmem >"$dir/out"; then
			cat "$dir/out" >&2
			exit 1
		fi
		cat "$dir/out" >>"$dir/$side.txt"
	done
done
"$go" tool -modfile=tests/tools/go.mod benchstat "$ref=$dir/ref.txt" "here=$dir/here.txt"
if [ -n "$fail" ]; then
	"$go" -C tests/tools run ./benchgate "$fail" "$dir/ref.txt" "$dir/here.txt"
fi
