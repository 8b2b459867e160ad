// Package seal encrypts stored logins with age (age-encryption.org/v1): a
// [Sealer] goes into [codexauth.Config.Sealer], and every store behind it holds
// ciphertext only. Rescue files are sealed alike.
//
//	sealer, err := seal.OpenFile("/home/me/.config/codexauth/key.txt", seal.UI{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	manager, err := codexauth.NewManager(codexauth.Config{Store: store, Sealer: sealer})
//
// # Keys
//
// A key is an age identity file as age-keygen writes it and [WriteNew] makes it:
// one identity a line, hybrid post-quantum (AGE-SECRET-KEY-PQ-1…), X25519
// (AGE-SECRET-KEY-1…) or of a plugin (AGE-PLUGIN-…: a TPM, a YubiKey, a Secure
// Enclave). The file may itself be encrypted with a passphrase. Records are
// sealed for all identities of the file, and any one of them opens them; age
// does not let post-quantum and classic ones be mixed. Or the key is a passphrase
// alone ([Passphrase], [Prompt]).
//
// Making a Sealer reads nothing but the file's mode. The key is read, and a
// person asked, at the first use, once in the life of the Sealer.
//
// # What it costs
//
// With native identities a record is sealed and opened in a fraction of a
// millisecond. scrypt at age's work factor takes 0.6 to 1 s and 256 MiB, and a
// plugin starts a program and may want a touch, so neither must come between the
// server's answer and its durable save. Under such a key a Sealer therefore makes
// a hybrid identity of its own, wraps that with the key once, and seals records
// for it. The wrapped identity travels in the record's header as a stanza
// "codexauth-key" whose body is an age file. After that, sealing needs neither
// the passphrase nor the plugin, and opening needs it once for each wrapped
// identity that the Sealer has not met. A passphrase Sealer goes on with the
// wrapped identity that it finds in a record, so that all processes share one; a
// plugin Sealer does not, because anyone who knows a plugin's public key could have
// put it there.
//
// A record under a native key is a plain age file behind its first line. The age
// program opens it with the identity file.
//
// # Changing the key
//
// Open each record with the old Sealer and seal it with another one that has
// opened nothing: that one wraps a new identity, also if passphrase or plugin are
// the same. Until then the old key, and whoever once had the wrapped identity,
// opens what is stored.
//
// # What it guards against, and what not
//
// It hides logins from readers of the store, its backups, or the disk, and
// has not the key. A record that was moved to another profile's place is refused,
// since it names its profile inside the seal; one that was altered or cut short
// is refused, too. But age does not say who wrote a file: anyone who can write to
// the store and knows the public key can put a login of their own there, and
// whoever can write to the store at all can put back an older record, whose
// refresh token is spent. A running Manager refuses such a step back; a new
// process can't tell. A backup that was made before a change of key is still
// sealed with the old one.
package seal
