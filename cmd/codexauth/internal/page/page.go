// Package page serves the status page of a broker to one person's browser: on a
// loopback port, by a link that works once, for as long as its command runs.
//
// The page is not the broker's, which answers no browser at all. So nothing that
// a web page could reach is added there, a broker without a TCP port has a page,
// too, and one far away, that is asked with a key, has it here.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"

	"codexauth/cmd/codexauth/internal/watch"
	"codexauth/internal/fill"
)

//go:embed files/page.html
var pageHTML string

//go:embed files/style.css
var styleCSS string

//go:embed files/live.js
var liveJS string

// policy lets the page's own style and script run and nothing else: a text that
// gets into the page as HTML could still not run, load or send anything.
func policy() string {
	return "default-src 'none'; style-src " + hashOf(styleCSS) + "; script-src " + hashOf(liveJS) +
		"; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// setHeaders is for every answer: it is kept nowhere, shown in no frame, read by
// no other origin, and no address of it goes elsewhere.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy())
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// whole is the page.
func whole(v watch.View) fill.HTML {
	return fill.In(fill.HTML(pageHTML), map[string]any{
		"title": v.Summary, "style": fill.HTML(styleCSS), "script": fill.HTML(liveJS), "now": v.Now, "main": mainOf(v),
	})
}

// part is what the script asks for: the page's title and what may have changed.
func part(v watch.View) fill.HTML {
	return fill.In("<title>{{title}} · codexauth</title>{{main}}", map[string]any{"title": v.Summary, "main": mainOf(v)})
}

func mainOf(v watch.View) fill.HTML {
	var logins fill.HTML
	for i, l := range v.Logins {
		logins += loginHTML(l, "login-"+strconv.Itoa(i))
	}
	since := fill.If(v.Since, `<p class="note-text">Since the broker was started, {{text}}.</p>`)
	return fill.In(`<main data-now="{{now}}">
<p id="summary" class="{{mood}}" role="status" aria-live="polite">{{summary}}</p>
{{trouble}}{{logins}}<section aria-labelledby="clients">
<h2 id="clients">Clients</h2>
{{since}}{{clients}}
</section>
<section aria-labelledby="models">
<h2 id="models">Models</h2>
{{models}}
</section>
<section aria-labelledby="events">
<h2 id="events">Recent events</h2>
{{events}}
</section>
</main>`, map[string]any{
		"now": v.Now, "mood": string(v.Mood), "summary": v.Summary, "since": since, "logins": logins,
		"trouble": fill.If(v.Trouble, `<p class="note">{{text}}</p>`+"\n"),
		"clients": tableHTML("Clients of the broker", watch.ClientHeads, v.Clients, "No requests yet."),
		"models":  tableHTML("Answers on /v1 by model", watch.ModelHeads, v.Models, "No requests on /v1 yet."),
		"events":  eventsHTML(v.Events),
	})
}

func loginHTML(l watch.Login, id string) fill.HTML {
	var facts, limits fill.HTML
	for _, f := range l.Facts {
		facts += fill.In("<dt>{{name}}</dt><dd>{{text}}</dd>\n", map[string]any{"name": f[0], "text": f[1]})
	}
	for _, limit := range l.Limits {
		limits += limitHTML(limit)
	}
	return fill.In(`<section aria-labelledby="{{id}}">
<h2 id="{{id}}">Login {{profile}}</h2>
<p class="{{mood}}"><span class="state">{{state}}</span></p>
{{remedy}}{{limits}}<dl>
{{facts}}</dl>
</section>
`, map[string]any{
		"id": id, "profile": l.Profile, "mood": string(l.Mood), "state": l.State, "facts": facts, "limits": limits,
		"remedy": fill.If(l.Remedy, `<p class="remedy">To do: {{text}}</p>`+"\n"),
	})
}

// limitHTML is a bar for the eye, and a text that says the same.
func limitHTML(l watch.Limit) fill.HTML {
	kind := "used"
	if l.Percent >= 90 {
		kind = "full"
	}
	return fill.In(`<div class="limit"><p><strong>{{name}}</strong> <span>{{text}}</span></p>
<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="ahead" width="{{ahead}}" height="1"/><rect class="{{kind}}" width="{{used}}" height="1"/></svg></div>
`, map[string]any{"name": l.Name, "text": l.Text, "kind": kind, "ahead": share(l.Ahead), "used": share(l.Percent)})
}

// share is a percentage as the width of a bar.
func share(percent float64) string {
	return strconv.FormatFloat(min(max(percent, 0), 100), 'f', 1, 64)
}

// tableHTML is a table whose roles are said twice: on a narrow screen its rows are
// laid out as lists, which makes browsers forget them.
func tableHTML(caption string, heads []string, rows [][]string, none string) fill.HTML {
	if len(rows) == 0 {
		return fill.If(none, "<p>{{text}}</p>")
	}
	head, body := fill.HTML(""), fill.HTML("")
	for _, name := range heads {
		head += fill.If(name, `<th scope="col" role="columnheader">{{text}}</th>`)
	}
	for _, row := range rows {
		body += `<tr role="row">`
		for i, text := range row {
			cell := fill.HTML(`<td role="cell" data-label="{{head}}">{{text}}</td>`)
			if i == 0 {
				cell = `<th scope="row" role="rowheader">{{text}}</th>`
			}
			body += fill.In(cell, map[string]any{"head": heads[i], "text": text})
		}
		body += "</tr>\n"
	}
	return fill.In(`<table role="table" aria-label="{{caption}}">
<thead role="rowgroup"><tr role="row">{{head}}</tr></thead>
<tbody role="rowgroup">
{{body}}</tbody>
</table>`, map[string]any{"caption": caption, "head": head, "body": body})
}

func eventsHTML(events []watch.Event) fill.HTML {
	if len(events) == 0 {
		return "<p>No events yet.</p>"
	}
	var list fill.HTML
	for _, e := range events {
		mood := "good"
		if e.Bad {
			mood = "bad"
		}
		list += fill.In(`<li class="{{mood}}"><time>{{at}}</time><span>{{profile}}{{what}}{{remedy}}</span></li>
`, map[string]any{
			"mood": mood, "at": e.At, "profile": fill.If(e.Profile, "{{text}}: "), "remedy": fill.If(e.Remedy, " — {{text}}"),
			"what": fill.In(fill.HTML(map[bool]string{true: `<span class="event-bad">{{text}}</span>`, false: "{{text}}"}[e.Bad]), map[string]any{"text": e.Text}),
		})
	}
	return "<ol>\n" + list + "</ol>"
}

// says is a page of one sentence.
func says(heading, text string) fill.HTML {
	return fill.In(fill.HTML(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{heading}} · codexauth</title><style>{{style}}</style></head>
<body><main><section><h1>{{heading}}</h1><p>{{text}}</p></section></main></body></html>
`), map[string]any{"heading": heading, "text": text, "style": fill.HTML(styleCSS)})
}
