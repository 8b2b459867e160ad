package service

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// Task is a task of Windows' scheduler that starts the broker when its user logs on.
// The file is what schtasks /Create /XML reads. Such a task has no variables of its
// own: what Env says has to be in Args.
func (s Spec) Task(dir string) File {
	text := `<?xml version="1.0" encoding="UTF-16"?>
<!-- ` + Mark + ` -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>codexauth broker: programs use a login without holding it</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>` + inXML(s.User) + `</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>` + inXML(s.User) + `</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
    <Hidden>true</Hidden>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>` + inXML(s.Program) + `</Command>
      <Arguments>` + inXML(windowsLine(s.Args)) + `</Arguments>
    </Exec>
  </Actions>
</Task>
`
	return File{filepath.Join(dir, "codexauth-task.xml"), inUTF16(strings.ReplaceAll(text, "\n", "\r\n"))}
}

// windowsLine puts arguments into one line as programs of Windows take them apart.
func windowsLine(args []string) string {
	line := make([]string, len(args))
	for i, arg := range args {
		line[i] = windowsWord(arg)
	}
	return strings.Join(line, " ")
}

// windowsWord quotes a word: backslashes count only before a quotation mark.
func windowsWord(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\"") {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for _, c := range []byte(word) {
		switch c {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(c)
	}
	return b.String() + strings.Repeat(`\`, slashes) + `"`
}

// inUTF16 is what the scheduler takes for its XML.
func inUTF16(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}
