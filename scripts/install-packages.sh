#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building and testing need, and says so first. Says and does nothing
# when everything is there.
# usage: scripts/install-packages.sh [build|test]   (default: build)
set -euo pipefail

profile=${1:-build}
case "$profile" in
  build | test) ;;
  *)
    echo "usage: scripts/install-packages.sh [build|test]" >&2
    exit 64
    ;;
esac

# The Swift toolchain is the one thing that this script does not bring.
if ! command -v swift >/dev/null; then
  echo "error: no swift in PATH; install Swift 6.3 or later from https://www.swift.org/install" >&2
  exit 4
fi
[ "$(uname -s)" = Linux ] || exit 0

packages=(libprotobuf-c-dev zlib1g-dev)
if [ "$profile" = test ]; then
  # The last three make archives and certificates for the tests of downloads and archives.
  packages+=(protobuf-c-compiler zip 7zip openssl)
fi

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
  done
else
  # Not Debian: the headers and programs tell whether something is missing.
  [ -e /usr/include/protobuf-c/protobuf-c.h ] || missing+=("the protobuf-c library with its headers")
  [ -e /usr/include/zlib.h ] || missing+=("zlib with its headers")
  if [ "$profile" = test ]; then
    command -v protoc-c >/dev/null || missing+=("the protobuf-c compiler (protoc-c)")
    command -v zip >/dev/null || missing+=("Info-ZIP's zip")
    command -v 7zz >/dev/null || command -v 7z >/dev/null || missing+=("7-Zip")
    command -v openssl >/dev/null || missing+=("openssl")
  fi
fi
if [ "$profile" = test ]; then
  # Downloads use libcurl, whose package has different names, and which curl brings along.
  ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
  "$ldconfig" -p 2>/dev/null | grep -qE 'libcurl(-gnutls|-nss)?\.so\.4' || missing+=(libcurl4)
  command -v cc >/dev/null || command -v clang >/dev/null || missing+=(gcc)
  if ! command -v python3 >/dev/null; then
    missing+=(python3 python3-venv)
  elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
  fi
  # The Python packages of the tests need 3.11; Ubuntu 22.04 has it beside its own 3.10.
  if command -v python3 >/dev/null && ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' &&
    ! command -v python3.11 >/dev/null && ! command -v python3.12 >/dev/null; then
    missing+=(python3.11 python3.11-venv)
  fi
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  {
    echo "error: this is not Debian or Ubuntu, so please install by hand what is missing:"
    printf '  %s\n' "${missing[@]}"
  } >&2
  exit 4
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: please run as root: apt-get install ${missing[*]}" >&2
    exit 4
  elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  elif [ -t 0 ] && [ -t 2 ]; then
    as_root=(sudo)
  else
    echo "error: sudo asks for a password and there is no terminal; please run:" >&2
    echo "  sudo apt-get install ${missing[*]}" >&2
    exit 4
  fi
fi

echo "Installing Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2
}
apt update
apt install --yes --no-install-recommends "${missing[@]}"
