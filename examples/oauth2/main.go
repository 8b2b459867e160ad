// Command oauth2 lends the login to code that takes an oauth2.TokenSource.
//
//	codexauth login
//	go run ./oauth2
package main

import (
	"context"
	"fmt"
	"log"

	"golang.org/x/oauth2"

	"codexauth"
	"codexauth/oauth2source"
	"codexauth/store/file"
)

func main() {
	store, err := file.Default()
	if err != nil {
		log.Fatal(err)
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	text, err := describe(oauth2source.New(context.Background(), manager))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
}

// describe stands for a library that knows x/oauth2 and nothing of codexauth. It
// asks for a token each time: an oauth2.ReuseTokenSource would keep one that the
// backend has refused.
func describe(source oauth2.TokenSource) (string, error) {
	token, err := source.Token()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s token of %s, until %s", token.Type(), token.Extra("account_id"), token.Expiry.UTC().Format("15:04 MST")), nil
}
