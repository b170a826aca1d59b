#!/bin/sh
# Makes sure of what pip cannot install: `system.sh venv` a Python that can make environments, `system.sh java` a Java
# that Spark runs on. Installs it with apt where that is allowed, else stops with the one command to run.
set -eu

python=${PYTHON:-python3}

apt_install() { # apt_install <package> [<package to take where that one does not exist>]
  command -v apt-get >/dev/null || return 0
  get="DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
  command="apt-get update && { $get $1${2:+ || $get $2}; }"
  if [ "$(id -u)" = 0 ]; then
    sh -c "$command" >&2 || true
  elif sudo -n true 2>/dev/null; then
    sudo sh -c "$command" >&2 || true
  else
    stop "A package of the system is missing. Run: sudo sh -c '$command'"
  fi
}

stop() {
  echo "$1" >&2
  exit 1
}

venv_works() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

java_works() {
  version=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ]
}

case $1 in
  venv)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      stop "Python 3.10 or newer is needed. Run make with PYTHON=<the path of one>."
    venv_works || apt_install python3-venv
    venv_works || stop "$python has no ensurepip: install its venv package."
    ;;
  java)
    java_works || apt_install openjdk-17-jre-headless openjdk-21-jre-headless
    java_works || stop "Spark needs Java 17 or newer: install one, or set JAVA_HOME to it."
    ;;
esac
