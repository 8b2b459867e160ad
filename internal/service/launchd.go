package service

import (
	"encoding/xml"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Agent is what launchd calls the service.
const Agent = "io.codexauth.serve"

// PropertyList is an agent for launchd, which reads dir. It is started at logon, and
// again if it fails.
func (s Spec) PropertyList(dir string) File {
	var b strings.Builder
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ` + Mark + ` -->
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + Agent + `</string>
	<key>ProgramArguments</key>
	<array>
`)
	for _, arg := range append([]string{s.Program}, s.Args...) {
		b.WriteString("\t\t<string>" + inXML(arg) + "</string>\n")
	}
	b.WriteString("\t</array>\n")
	if len(s.Env) > 0 {
		b.WriteString("\t<key>EnvironmentVariables</key>\n\t<dict>\n")
		for _, name := range slices.Sorted(maps.Keys(s.Env)) {
			b.WriteString("\t\t<key>" + inXML(name) + "</key>\n\t\t<string>" + inXML(s.Env[name]) + "</string>\n")
		}
		b.WriteString("\t</dict>\n")
	}
	// AbandonProcessGroup: a refresh runs in a process of its own, which a stop must
	// not cut off.
	b.WriteString(`	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>AbandonProcessGroup</key>
	<true/>
	<key>ExitTimeOut</key>
	<integer>60</integer>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	<string>` + inXML(s.Log) + `</string>
</dict>
</plist>
`)
	return File{filepath.Join(dir, Agent+".plist"), []byte(b.String())}
}

func inXML(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
