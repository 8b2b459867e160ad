package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

func (a *app) tokenCommand() *cobra.Command {
	var format string
	var minValid time.Duration
	var repeat, requireValid bool
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an access token that is valid now",
		Long: `Print an access token that is valid now.

A token that is about to expire is refreshed first, by one of all the processes
that share the login; while the old one is still valid, nobody waits for that
longer than two seconds.

Formats:
  raw     the access token, which is the default
  json    {"access_token", "account_id", "expires_at"}; --json means the same
  header  two header lines: Authorization, and chatgpt-account-id
  env     two lines for a POSIX shell to eval, which export
          CODEXAUTH_ACCESS_TOKEN and CODEXAUTH_ACCOUNT_ID
  powershell, cmd
          the same for the shells of Windows`,
		Example: `  codexauth token
  codexauth token --format header | curl -H @- https://chatgpt.com/backend-api/wham/usage
  eval "$(codexauth token --format env)"
  codexauth token --format powershell | Out-String | Invoke-Expression
  for /f "delims=" %i in ('codexauth token --format cmd') do @%i
  codexauth token --min-valid 10m      for a job that takes ten minutes`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			layout, err := a.tokenLayout(format, cmd.Flags().Changed("format"))
			if err != nil {
				return err
			}
			if minValid < 0 {
				return hint.Usagef("--min-valid %v is negative", minValid)
			}
			if err := a.NeedStdout(); err != nil {
				return err
			}
			if requireValid && minValid == 0 {
				return hint.Usage("--require-valid is about --min-valid, which is not given", "add --min-valid DURATION")
			}
			return a.token(cmd, layout, tokenWish{minValid, requireValid, repeat})
		},
	}
	cmd.Flags().StringVar(&format, "format", "raw", "`FORMAT` of what is printed: raw, json, header, env, powershell or cmd")
	cmd.Flags().DurationVar(&minValid, "min-valid", 0, "refresh a token that has less than this `DURATION` left, such as 10m")
	cmd.Flags().BoolVar(&requireValid, "require-valid", false, "fail if no token has --min-valid left, instead of printing the best one")
	cmd.Flags().BoolVar(&repeat, "repeat-means-refused", false, "for tools that run this once, and once more when the backend refused the token: get another one if the same process asks again within four minutes")
	run.CompleteWords(cmd, "format", "raw", "json", "header", "env", "powershell", "cmd")
	return cmd
}

// A tokenWish says what token is asked for.
type tokenWish struct {
	minValid     time.Duration
	requireValid bool // nothing less will do
	repeat       bool // whoever asks again was refused
}

// check says where a token has less time left than was asked for: servers choose how
// long their tokens live.
func (w tokenWish) check(a *app, left time.Duration) error {
	if w.minValid == 0 || left >= w.minValid {
		return nil
	}
	problem := fmt.Sprintf("the token has %v left, less than the %v of --min-valid", left.Round(time.Second), w.minValid)
	if w.requireValid {
		return hint.With(errors.New(problem), "ask for less, or again later: the server decides how long tokens live, and a refresh may have failed ("+a.Command("status")+" tells)")
	}
	a.Say("warning: %s", problem)
	return nil
}

// A tokenLayout is the text that a token is printed as.
type tokenLayout func(a *app, t codexauth.Token) error

func (a *app) tokenLayout(format string, given bool) (tokenLayout, error) {
	if a.Flags.JSON {
		if given && format != "json" {
			return nil, hint.Usage(fmt.Sprintf("--json and --format %s contradict each other", cleantext.OneLine(format)), "give one of the two")
		}
		format = "json"
	}
	switch format {
	case "raw":
		return rawToken, nil
	case "json":
		return jsonToken, nil
	case "header":
		return headerToken, nil
	case "env":
		return variables("export %s=%s\n", cleantext.ShellQuote), nil
	case "powershell":
		return variables("$env:%s = %s\n", cleantext.PowerShellQuote), nil
	case "cmd":
		return cmdToken, nil
	}
	return nil, hint.Usage(fmt.Sprintf("there is no format %q", cleantext.OneLine(format)), "--format takes raw, json, header, env, powershell or cmd")
}

func (a *app) token(cmd *cobra.Command, layout tokenLayout, wish tokenWish) error {
	m, p, err := a.Manager(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m) // after the token is out: a refresh may still be on its way
	stop := a.Waiting()
	t, err := m.FreshToken(cmd.Context(), wish.minValid)
	if err == nil && cmd.Context().Err() != nil { // the person did not wait for a better one
		err = context.Cause(cmd.Context())
	}
	if err == nil && wish.repeat && isRepeat(p, t, time.Now()) {
		t = another(cmd.Context(), m, t)
		isRepeat(p, t, time.Now())
	}
	stop()
	if err != nil {
		return err
	}
	if strings.ContainsFunc(t.AccessToken.Reveal()+t.AccountID, unicode.IsControl) {
		return errors.New("the server's token or account id has control characters in it, and is not printed")
	}
	if err := wish.check(a, m.Left(t)); err != nil {
		return err
	}
	return layout(a, t)
}

// another returns a token that is not the one that was refused, if it can be had.
func another(ctx context.Context, m *codexauth.Manager, refused codexauth.Token) codexauth.Token {
	m.Invalidate(refused)
	if t, err := m.Token(ctx); err == nil {
		return t
	}
	return refused // whoever asked learns from the backend what is wrong
}

func rawToken(a *app, t codexauth.Token) error {
	return a.Print(t.AccessToken.Reveal() + "\n")
}

func jsonToken(a *app, t codexauth.Token) error {
	return a.PrintJSON(struct {
		AccessToken string `json:"access_token"`
		AccountID   string `json:"account_id"`
		ExpiresAt   string `json:"expires_at"`
	}{t.AccessToken.Reveal(), t.AccountID, ui.RFC3339(t.Expiry)})
}

func headerToken(a *app, t codexauth.Token) error {
	headers := "Authorization: Bearer " + t.AccessToken.Reveal() + "\n"
	if t.AccountID != "" {
		headers += "chatgpt-account-id: " + t.AccountID + "\n"
	}
	return a.Print(headers)
}

// variables are lines for a shell, each of which sets one.
func variables(line string, quote func(string) string) tokenLayout {
	return func(a *app, t codexauth.Token) error {
		return a.Print(fmt.Sprintf(line, "CODEXAUTH_ACCESS_TOKEN", quote(t.AccessToken.Reveal())) +
			fmt.Sprintf(line, "CODEXAUTH_ACCOUNT_ID", quote(t.AccountID)))
	}
}

// cmdToken is for cmd.exe, which has no quoting for these characters.
func cmdToken(a *app, t codexauth.Token) error {
	if strings.ContainsAny(t.AccessToken.Reveal()+t.AccountID, `"%!`) {
		return hint.With(errors.New(`the token or the account id has one of " % ! in it, which cmd.exe can't be given`), "use --format powershell")
	}
	return variables("set \"%s=%s\"\n", func(s string) string { return s })(a, t)
}
