#!/usr/bin/env bash
# The floor that a push is held against: one POST, one PUT, by curl.
#
#   raw-upload.sh HOST/REPOSITORY FILE sha256:DIGEST
set -euo pipefail
host=${1%%/*} repository=${1#*/}
location=$(curl -sSf -o /dev/null -D - -X POST "http://$host/v2/$repository/blobs/uploads/" |
    tr -d '\r' | sed -n 's/^[Ll]ocation: *//p')
case $location in
/*) location=http://$host$location ;;
esac
case $location in
*\?*) location+="&digest=$3" ;;
*) location+="?digest=$3" ;;
esac
curl -sSf -o /dev/null -T "$2" -H 'Content-Type: application/octet-stream' "$location"
