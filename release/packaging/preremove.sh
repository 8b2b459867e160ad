#!/bin/sh
# The broker ends when its package goes; on an upgrade it is restarted afterwards.
# The login in /var/lib/codexauth stays, and so does its user: what is spent by a
# removal is gone for good.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now codexauth.socket codexauth.service
	fi
	;;
esac
