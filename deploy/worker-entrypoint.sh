#!/bin/sh
# Arguments that begin with a dash go to rma-worker (`docker run IMAGE --name attic`); anything else is a command to run.
set -eu
case "${1-}" in
  '' | -*) exec rma-worker "$@" ;;
  *) exec "$@" ;;
esac
