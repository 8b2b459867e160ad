package codexcli

import (
	"slices"
	"strings"
)

// A Setup is what a config.toml says of codexauth as a model provider.
type Setup struct {
	Active    bool   // it is the model provider in use
	Profile   string // of the CLI, in use, whose model provider comes first
	Command   string
	Args      []string
	AccountID string // of the header that names the account
}

// FindSetup looks for what a SetUp wrote in the text of a config.toml. The error
// says where the text is not valid TOML, and shows none of it.
func FindSetup(text string) (s Setup, found bool, err error) {
	values, err := parse(text)
	if err != nil {
		return s, false, err
	}
	provider := sub(sub(values, "model_providers"), ProviderName)
	if provider == nil {
		return s, false, nil
	}
	auth := sub(provider, "auth")
	profile, _ := values["profile"].(string)
	if own, ok := sub(sub(values, "profiles"), profile)["model_provider"]; ok && own != ProviderName {
		s.Profile = profile
	}
	s.Active = values["model_provider"] == ProviderName && s.Profile == ""
	s.Command, _ = auth["command"].(string)
	args, _ := auth["args"].([]any)
	for _, arg := range args {
		word, _ := arg.(string)
		s.Args = append(s.Args, word)
	}
	for name, value := range sub(provider, "http_headers") {
		if strings.EqualFold(name, "chatgpt-account-id") {
			s.AccountID, _ = value.(string)
		}
	}
	return s, true, nil
}

// sub is a table within a table; nil if there is none.
func sub(table map[string]any, name string) map[string]any {
	t, _ := table[name].(map[string]any)
	return t
}

// Flag is the value of a flag among the arguments; "" if it is not there.
func (s Setup) Flag(name string) string {
	if i := slices.Index(s.Args, name); i >= 0 && i+1 < len(s.Args) {
		return s.Args[i+1]
	}
	return ""
}
