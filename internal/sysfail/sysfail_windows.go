package sysfail

import "golang.org/x/sys/windows"

var (
	diskFull     = [...]error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
	readOnly     = [...]error{windows.ERROR_WRITE_PROTECT}
	notDirectory = [...]error{windows.ERROR_DIRECTORY}
	noLocks      = [...]error{windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION}
	connRefused  = [...]error{windows.WSAECONNREFUSED}
	hungUp       = [...]error{windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAESHUTDOWN}
	noSockets    = [...]error{windows.WSAEAFNOSUPPORT, windows.WSAEPROTONOSUPPORT, windows.WSAESOCKTNOSUPPORT}
	unreachable  = [...]error{windows.ERROR_BAD_NETPATH, windows.ERROR_BAD_NET_NAME, windows.ERROR_NETNAME_DELETED, windows.ERROR_UNEXP_NET_ERR}
)
