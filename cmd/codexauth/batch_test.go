package main

import "testing"

// TestBehindShim: what npm's batch file runs, as several of its versions write it.
func TestBehindShim(t *testing.T) {
	for text, want := range map[string]string{
		"@ECHO off\r\nGOTO start\r\n:find_dp0\r\nSET dp0=%~dp0\r\nEXIT /b\r\n:start\r\nSETLOCAL\r\nCALL :find_dp0\r\n\r\n" +
			`IF EXIST "%dp0%\node.exe" (` + "\r\n" + `  SET "_prog=%dp0%\node.exe"` + "\r\n) ELSE (\r\n" + `  SET "_prog=node"` + "\r\n" +
			`  SET PATHEXT=%PATHEXT:;.JS;=;%` + "\r\n)\r\n\r\n" +
			`endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\node_modules\@openai\codex\bin\codex.js" %*` + "\r\n": `node_modules\@openai\codex\bin\codex.js`,
		`"%_prog%"  "%dp0%\..\tool\cli.mjs" %*`: `..\tool\cli.mjs`,
		`"%_prog%" "%~dp0\x.cjs" %*`:            `x.cjs`,
		`"%_prog%"  "%dp0%\tool.exe" %*`:        "",
		`"%dp0%\x.js" %*`:                       "",
		"@echo off\r\necho hello %*\r\n":        "",
		"":                                      "",
	} {
		if got := behindShim(text); got != want {
			t.Errorf("%.60q…: %q, want %q", text, got, want)
		}
	}
}
