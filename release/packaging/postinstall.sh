#!/bin/sh
# The broker's user, and the new unit files. Nothing is started that was not running.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers codexauth.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart codexauth.service
fi
