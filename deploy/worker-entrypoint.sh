#!/bin/sh
# `docker run IMAGE --name attic` means `rma-worker --name attic`; another first word is the command to run.
set -eu
case "${1-}" in
  '' | -*) exec rma-worker "$@" ;;
  *) exec "$@" ;;
esac
