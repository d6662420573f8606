#!/bin/sh
# wait.sh STAGE_ID, or wait.sh PACKAGE VERSION: ends 0 once it is live, 1 once it was rejected (or
# withdrawn, or published past Countersign), 2 when it expired or is not live in time, 64 if refused.
# Reads COUNTERSIGN_URL, COUNTERSIGN_TOKEN, and COUNTERSIGN_MINUTES to wait (60).
: "${COUNTERSIGN_URL:?}" "${COUNTERSIGN_TOKEN:?}" "${1:?STAGE_ID, or PACKAGE VERSION}"
at=stages/$1 state=
[ $# -lt 2 ] || at=packages/$1/versions/$2
until=$(($(date +%s) + ${COUNTERSIGN_MINUTES:-60} * 60))
while left=$((until - $(date +%s))) && [ "$left" -gt 0 ]; do
  # By its standard input, since everybody on the machine may read a command line.
  answer=$(printf 'header = "Authorization: Bearer %s"\n' "$COUNTERSIGN_TOKEN" | curl -gsS -m 75 -K - \
    "${COUNTERSIGN_URL%/}/api/v1/$at?wait=$((left < 55 ? left : 55))&state=$state")
  state=$(printf %s "$answer" | sed -n 's/.*"state": *"\([a-z_]*\)".*/\1/p')
  case $answer in
    *'"outcome": "live"'*) echo live; exit 0 ;;
    *'"outcome": "rejected"'*) echo "$state" >&2; exit 1 ;;
    *'"outcome": "expired"'*) echo expired >&2; exit 2 ;;
    *'"outcome": "waiting"'*) echo "$state" ;;
    *'"error": "no_token"'* | *'"error": "not_allowed"'* | *'"error": "refused"'* | *'"error": "ambiguous"'*)
      echo "$answer" >&2; exit 64 ;;
  esac
  sleep 3
done
echo 'not live in time' >&2; exit 2
