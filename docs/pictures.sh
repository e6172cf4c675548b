#!/usr/bin/env bash
# Makes the pictures of the documents, in docs/pictures: `slipway watch` as the terminal tests draw it, the mail that asks
# for an approval from its golden file, and the pages from theirs, in the browser that `cargo local test` has installed in
# target/local/browser.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --package slipway-cli --test terminal a_release
mkdir -p docs/pictures
for theme in light dark; do
  cp "target/tmp/terminal/watch-rolled-back-80-$theme.svg" "docs/pictures/watch-$theme.svg"
done
cp tests/browser/pictures.mjs target/local/browser/
node target/local/browser/pictures.mjs functions docs/pictures
find docs/pictures -size +200k -exec echo {} is larger than 200 KB >&2 \; -exec false {} +
