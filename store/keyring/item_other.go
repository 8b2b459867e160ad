//go:build !darwin

package keyring

import keyrings "github.com/zalando/go-keyring"

func itemOf(account string) (string, error) { return keyrings.Get(service, account) }
