package seal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/sharing"
)

// New makes a hybrid post-quantum identity. identity is the secret line of an
// identity file (77 characters, so that it fits into every keyring), recipient
// its public half (about 2,000).
func New() (identity codexauth.Secret, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return codexauth.Secret{}, "", fmt.Errorf("making an identity: %w", err)
	}
	return codexauth.NewSecret(id.String()), id.Recipient().String(), nil
}

// WriteNew makes an identity and writes it to a new file at path, mode 0600, as
// age-keygen does. It returns the recipient, once the file is durable. It never
// overwrites: if there is something at path, the error wraps [fs.ErrExist]. Keep
// a copy of the file elsewhere: nothing else opens what is sealed with it.
func WriteNew(path string) (recipient string, err error) {
	identity, recipient, err := New()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return "", fmt.Errorf("%w; a key is never overwritten: what it sealed could not be read again", err)
	} else if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# created: %s\n# public key: %s\n%s\n", time.Now().Format(time.RFC3339), recipient, identity.Reveal())
	_, err = f.WriteString(text.String())
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		sharing.Remove(path) // half a key is none
		return "", fmt.Errorf("saving the new key: %w", err)
	}
	return recipient, nil
}
