package keyring

func itemOf(account string) (string, error) { return securityItem("/usr/bin/security", account) }
