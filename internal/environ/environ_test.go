package environ

import (
	"strings"
	"testing"
)

func TestOfChild(t *testing.T) {
	const dropped = "RUNNER_TRACKING_ID=x JENKINS_NODE_COOKIE=x HUDSON_COOKIE=x BUILD_ID=x VSTS_PROCESS_LOOKUP_ID=x " +
		"CODEXAUTH_BROKER_KEY=x AETHER_CREDENTIALS_PASSWORD=x AWS_SECRET_ACCESS_KEY=x ANYTHING="
	const kept = "HOME=/h PATH=/bin CODEXAUTH_HOME=/c CODEXAUTH_ETCD_PASSWORD=x PGPASSWORD=x ETCDCTL_USER=x XDG_STATE_HOME=/s " +
		"TMPDIR=/t https_proxy=p NO_PROXY=* SSL_CERT_FILE=/f DBUS_SESSION_BUS_ADDRESS=d LocalAppData=C: SystemRoot=C:"
	if got := strings.Join(OfChild(strings.Fields(dropped+" "+kept)), " "); got != kept {
		t.Errorf("a child gets %q, want %q", got, kept)
	}
	if OfChild(nil) == nil {
		t.Error("nothing to keep is nil, which os/exec takes for everything")
	}
}

func TestOfBrowser(t *testing.T) {
	const kept = "HOME=/h DISPLAY=:0 BROWSER=b PGHOST=db"
	got := OfBrowser(strings.Fields(kept + " CODEXAUTH_STORE=postgres://me:x@db/l codexauth_home=/c PGPASSWORD=x PGPASSFILE=x ETCDCTL_PASSWORD=x AETHER_CREDENTIALS_PASSWORD=x"))
	if text := strings.Join(got, " "); text != kept {
		t.Errorf("a browser gets %q, want %q", text, kept)
	}
}
