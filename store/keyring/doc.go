// Package keyring keeps records in files that only the system's keyring opens:
// the Keychain of macOS, the Credential Manager of Windows, the Secret Service of
// a Linux desktop (GNOME Keyring, KWallet, KeePassXC).
//
//	store, err := keyring.Open("", keyring.Options{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	manager, err := codexauth.NewManager(codexauth.Config{Store: store, Sealer: store.Sealer()})
//
// # What is where
//
// The keyring holds a key: one age identity for each directory, 77 characters, so
// that it fits where a login of some 4,400 bytes would not (Windows takes 2,560
// bytes, macOS about 3,000). The directory holds the records, sealed with that
// key, and everything else of a store/file: a claim is a file lock, since no
// keyring can lock or compare. The directory's file "identity" says, without a
// secret, under which name the keyring has the key.
//
// # The key
//
// It is fetched at the first use and kept in memory, and it is made when
// something is to be sealed for the first time, by one of all processes. An item
// of the keyring is never overwritten or removed. If it is gone while records are
// there that it sealed, that is [ErrMissing] and nothing is made in its place.
//
// # Waiting
//
// A keyring is asked only if there is one to ask: on Linux the session's bus must
// exist (nothing ever launches one), and a program must own org.freedesktop.secrets
// there, or a desktop be at hand to start it. Every step has a deadline. If the
// keyring is locked, the desktop is made to ask for its password, and the answer
// waited for as long as [Options].Prompt says; without a desktop nobody is asked.
// What comes instead of a key is one of five errors, and never plain text.
package keyring
