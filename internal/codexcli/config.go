package codexcli

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// ErrConfig: a config.toml that can't be edited without risk.
var ErrConfig = errors.New("config.toml is left as it is")

// SetUp returns the text of a config.toml with p as its model provider, in place
// of what an earlier SetUp wrote. An earlier model_provider becomes a comment.
// Nothing else is touched: the result is parsed and compared to make sure.
func (p Provider) SetUp(text string) (string, error) {
	plain, err := Undo(text)
	if err != nil {
		return "", err
	}
	before, err := parse(plain)
	if err != nil {
		return "", fmt.Errorf("%w: it is not valid: %w", ErrConfig, err)
	}
	if strings.Contains(plain, savedMark) {
		return "", fmt.Errorf("%w: a line of an earlier setup, which begins with %q, was left in it; take it out by hand", ErrConfig, savedMark)
	}
	if providers, ok := before["model_providers"].(map[string]any); ok && providers[ProviderName] != nil {
		return "", fmt.Errorf("%w: it has a model provider %q of its own", ErrConfig, ProviderName)
	}
	edited, err := saveOld(plain, before["model_provider"] != nil)
	if err != nil {
		return "", err
	}
	begin := beginBlock
	if edited != "" && !strings.HasSuffix(edited, "\n") {
		edited += "\n"
		begin += newlineTag
	}
	edited = afterBOM(edited, p.top()) + begin + "\n" + p.tables() + endBlock + "\n"
	return edited, p.verify(before, edited)
}

// afterBOM puts line at the beginning of text, behind a byte order mark.
func afterBOM(text, line string) string {
	rest, found := strings.CutPrefix(text, bom)
	if found {
		return bom + line + rest
	}
	return line + text
}

const bom = "\ufeff"

// saveOld makes a comment of the model_provider that a file has.
func saveOld(text string, there bool) (string, error) {
	if !there {
		return text, nil
	}
	// A top-level model_provider that stands on one line. It is not compiled
	// earlier, since that would lengthen the start of every command.
	oldLine := regexp.MustCompile(`^[ \t]*(model_provider|"model_provider"|'model_provider')[ \t]*=`)
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if isHeader(line) {
			break
		}
		if oldLine.MatchString(strings.TrimPrefix(line, bom)) {
			lines[i] = afterBOM(line, savedMark)
			return strings.Join(lines, ""), nil
		}
	}
	return "", fmt.Errorf("%w: its model_provider is written in a way that can't be edited safely", ErrConfig)
}

// isHeader reports whether a line begins a table.
func isHeader(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "[") }

// verify makes sure that edited says what before said, and what p adds, and no more.
func (p Provider) verify(before map[string]any, edited string) error {
	after, err := parse(edited)
	if err != nil {
		return fmt.Errorf("%w: with the new settings it would not be valid: %w", ErrConfig, err)
	}
	added, err := parse(p.Text())
	if err != nil {
		return fmt.Errorf("%w: the new settings can't be written down: %w", ErrConfig, err)
	}
	want := maps.Clone(before)
	want["model_provider"] = added["model_provider"]
	providers, _ := before["model_providers"].(map[string]any)
	if providers = maps.Clone(providers); providers == nil {
		providers = map[string]any{}
	}
	providers[ProviderName] = added["model_providers"].(map[string]any)[ProviderName]
	want["model_providers"] = providers
	if !reflect.DeepEqual(after, want) {
		return fmt.Errorf("%w: it is written in a way that can't be edited safely", ErrConfig)
	}
	return nil
}

// parse reads TOML. Its error says where the text is wrong and shows none of it:
// there are secrets in some people's.
func parse(text string) (map[string]any, error) {
	values := map[string]any{}
	err := toml.Unmarshal([]byte(strings.TrimPrefix(text, bom)), &values)
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		return nil, fmt.Errorf("line %d, column %d", line, column)
	}
	if err != nil {
		return nil, errors.New("it can't be read as TOML")
	}
	return values, nil
}

// Undo takes out of the text of a config.toml what SetUp has put in, and puts the
// earlier model_provider back. A text without any of it comes back as it is.
func Undo(text string) (string, error) {
	if !strings.Contains(text, topLine) && !strings.Contains(text, beginBlock) {
		return text, nil
	}
	var u undoing
	for line := range strings.SplitAfterSeq(text, "\n") {
		u.line(line)
	}
	if u.inside {
		return "", fmt.Errorf("%w: the end of the block that codexauth wrote is missing; take the lines out by hand", ErrConfig)
	}
	result := u.out.String()
	if u.addedEnd && u.after == "" {
		result = strings.TrimSuffix(result, "\n")
	}
	if _, err := parse(result); err != nil {
		return "", fmt.Errorf("%w: it was changed since, and would not be valid: %w", ErrConfig, err)
	}
	return result, nil
}

// undoing is an Undo on its way through the lines.
type undoing struct {
	out      strings.Builder
	inside   bool   // the block
	foreign  bool   // inside the block, in a table that somebody else put there
	addedEnd bool   // SetUp ended the last line before the block
	after    string // what stands behind the block's begin and stays
}

func (u *undoing) line(line string) {
	content := strings.TrimRight(line, "\r\n")
	head, mark := strings.CutPrefix(content, bom)
	switch {
	case head == topLine:
		if mark {
			u.keep(bom)
		}
		return
	case strings.HasPrefix(content, beginBlock):
		u.inside, u.addedEnd = true, strings.HasSuffix(content, newlineTag)
		return
	case u.inside && content == endBlock:
		u.inside, u.foreign = false, false
		return
	case u.inside && isHeader(content):
		header := strings.TrimLeft(content, " \t[")
		u.foreign = !strings.HasPrefix(header, table+"]") && !strings.HasPrefix(header, table+".")
	}
	if u.inside && !u.foreign {
		return
	}
	if saved, found := strings.CutPrefix(head, savedMark); found {
		line = bomIf(mark) + saved + line[len(content):]
	}
	u.keep(line)
}

func bomIf(there bool) string {
	if there {
		return bom
	}
	return ""
}

func (u *undoing) keep(line string) {
	if u.addedEnd {
		u.after += line
	}
	u.out.WriteString(line)
}
