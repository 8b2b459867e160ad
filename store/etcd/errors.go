package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"codexauth"
	"codexauth/internal/reword"
	"codexauth/internal/sysfail"
	"codexauth/store/etcd/internal/gateway"
)

// explain says what happened and what to do. What passes by itself is marked.
func explain(err error) error {
	hint := advice(err)
	passing := !gateway.Final(err) && !errors.Is(err, codexauth.ErrStoreUnsafe) && !errors.Is(err, context.Canceled) && !isSetup(err)
	if hint == "" && !passing {
		return err
	}
	text := err.Error() + hint
	if passing {
		err = errors.Join(codexauth.ErrTransient, err)
	}
	return reword.As(text, err)
}

// isSetup: somebody has to change something first.
func isSetup(err error) bool {
	var status *gateway.StatusError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &status) && status.Code == gateway.Foreign && status.HTTP < 500 ||
		errors.As(err, &certificate) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "remote error: tls: ") || strings.Contains(err.Error(), noTLS)
}

// noTLS is net/http's text for an answer that is not encrypted.
const noTLS = "server gave HTTP response to HTTPS client"

// explainCommit is explain for a change: it may have been made all the same, and
// is not said to pass by itself.
func explainCommit(err error) error { return reword.As(err.Error()+advice(err), err) }

func advice(err error) string {
	switch {
	case gateway.Says(err, gateway.Foreign, "CommonName"):
		return "; with authentication etcd's gateway takes client certificates without a common name only: make one that has none, and name a user"
	case gateway.Says(err, gateway.Foreign, "HTTP request to an HTTPS server"):
		return "; it speaks TLS: write etcds:// instead of etcd://"
	case strings.Contains(err.Error(), noTLS):
		return "; it does not speak TLS: write etcd:// instead of etcds://, or have it given a certificate"
	case gateway.Says(err, gateway.Foreign, ""):
		return "; is it etcd 3.4 or newer, with its JSON gateway (--enable-grpc-gateway)?"
	case gateway.Says(err, gateway.Invalid, "user name is empty"):
		return "; this etcd wants a user: etcds://USER@HOST/…, and its password in " + passwordVariable + " or passfile"
	case gateway.Says(err, gateway.Invalid, "authentication failed"):
		return "; check the user, and its password in " + passwordVariable + " or passfile"
	case gateway.Says(err, gateway.Denied, ""):
		return "; the user's role must be granted reading and writing with this prefix: `etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX`"
	case gateway.Says(err, gateway.Exhausted, "space exceeded"):
		return "; compact and defragment it, then `etcdctl alarm disarm`"
	case gateway.Says(err, gateway.Invalid, "too large"):
		return "; raise the server's --max-request-bytes"
	case gateway.Says(err, gateway.Unavailable, "no leader"), gateway.Says(err, gateway.Unavailable, "timed out"):
		return "; have most of its members lost touch with each other?"
	case sysfail.HungUp(err):
		return "; does it speak TLS (etcds://) where the address says that it does not (etcd://), or the other way round?"
	case gateway.IsTimeout(err):
		return "; is the server there, and reachable from here?"
	}
	return ""
}
