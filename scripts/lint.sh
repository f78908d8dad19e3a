#!/usr/bin/env bash
# Format, shell and Python syntax, generated documentation, and words and files that do not belong in the tree.
# usage: scripts/lint.sh
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
problem() {
  echo "error: $1" >&2
  failed=1
}

# What is or would be committed: tracked files, and new ones that git does not ignore.
mapfile -t files < <(git ls-files --cached --others --exclude-standard | sort -u | while IFS= read -r file; do
  if [ -f "$file" ]; then printf '%s\n' "$file"; fi
done)

places=()
for place in Sources Tests Package.swift Fuzz/Sources Fuzz/Package.swift Benchmarks; do
  [ ! -e "$place" ] || places+=("$place")
done
swift format lint --strict --recursive --parallel "${places[@]}" || problem "run: swift format --in-place --recursive ${places[*]}"

for file in "${files[@]}"; do
  case "$file" in
    *.sh | .ci/run)
      bash -n "$file" || problem "$file is no valid shell script"
      [ -x "$file" ] || problem "$file is not executable; run: chmod +x $file"
      ;;
    *.py)
      python3 -c 'import sys; compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec")' "$file" ||
        problem "$file is no valid Python"
      ;;
  esac
done

# Prints each line that matches a pattern in files that match the rest, and counts it as a problem.
forbid() {
  local reason=$1 pattern=$2
  shift 2
  local found=()
  local file
  for file in "${files[@]}"; do
    case "$file" in scripts/lint.sh) continue ;; esac
    local place
    for place in "$@"; do
      # shellcheck disable=SC2053
      if [[ $file == $place ]]; then
        found+=("$file")
        break
      fi
    done
  done
  [ ${#found[@]} -gt 0 ] || return 0
  if LC_ALL=C grep -nHIE "$pattern" "${found[@]}" >&2; then problem "$reason"; fi
}

forbid "paths of one machine do not belong in the tree" \
  '(^|[^A-Za-z0-9_.])/(work|root|farm|opt/swift|home|tmp)/' '*'
forbid "hosts of package registries do not belong in the tree" 'pypi\.org|pythonhosted\.org' '*'
forbid "unfinished or unsafe words do not belong in the sources" \
  'try!|fatalError\(|TODO|FIXME|XXX|not implemented' 'Sources/*'
forbid "a test that does not run is cancelled with its reason, not disabled" '\.disabled\(|@testable' 'Tests/*'

for file in "${files[@]}"; do
  case "$file" in
    Package.resolved | */Package.resolved | .build* | */.build* | .venv* | dist/* | *.pyc | *.profraw | *.o)
      problem "$file is a product of a build and does not belong in the tree"
      ;;
  esac
  size=$(wc -c <"$file")
  [ "$size" -le 8000000 ] || problem "$file has $size bytes; files over 8 MB do not belong in the tree"
done

exit "$failed"
