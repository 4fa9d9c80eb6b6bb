#!/bin/sh
# Runs govulncheck. If govulncheck cannot reach its database, the script says so and succeeds.
#
# Usage: vulncheck.sh GOVULNCHECK [ARGUMENT]...
set -u

report=$("$@" 2>&1)
status=$?
echo "$report"
case $status:$report in
1:*"fetching vulnerabilities: Get "*)
	echo "vulncheck: the database is not reached; nothing was checked"
	exit 0
	;;
esac
exit $status
