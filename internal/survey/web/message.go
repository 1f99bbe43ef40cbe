package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/nps"
)

// Limits of what a widget sends, in bytes.
const (
	maxMessage = 128 << 10
	// A visitor is 16 random bytes, as base64url.
	visitorLength  = 22
	maxTokenSent   = 8 << 10
	maxPage        = 16 << 10
	maxLocaleSent  = 100
	maxVariantSent = 4 * feedback.MaxVariant
)

// asking is what a widget sends that wants to ask. What it does not say is empty.
type asking struct {
	Visitor string `json:"visitor"`
	Token   string `json:"token"`
	Page    string `json:"page"`
	Locale  string `json:"locale"`
	Variant string `json:"variant"`
}

// parseAsking reads what a widget sent that wants to ask. Fields that nobody knows say nothing.
func parseAsking(body []byte) (a asking, err error) {
	if err := parse(body, &a); err != nil {
		return asking{}, err
	}
	switch {
	case len(a.Visitor) != visitorLength || strings.Trim(a.Visitor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return asking{}, errors.New("visitor: want 22 characters of base64url")
	case a.Page == "" || len(a.Page) > maxPage:
		return asking{}, errors.New("page: want a URL of at most 16 KiB")
	case len(a.Token) > maxTokenSent:
		return asking{}, errors.New("token: want at most 8 KiB")
	case len(a.Locale) > maxLocaleSent:
		return asking{}, errors.New("locale: want at most 100 characters")
	case len(a.Variant) > maxVariantSent:
		return asking{}, errors.New("variant: want at most 100 characters")
	}
	return a, nil
}

// answering is what a widget sends that was answered, or closed.
type answering struct {
	ID       string   `json:"id"`
	Score    *float64 `json:"score"`
	Comment  string   `json:"comment"`
	Declined bool     `json:"declined"`
}

// errRange is for what has the right form, and is too large or too small.
var errRange = errors.New("score: want 0 to 10; comment: want at most 10,000 characters")

// parseAnswering reads what a widget sent that was answered, or closed. The error is errRange for a score or a comment out of range.
func parseAnswering(body []byte) (a answering, err error) {
	if err := parse(body, &a); err != nil {
		return answering{}, err
	}
	switch {
	case a.ID == "":
		return answering{}, errors.New("id: it is missing")
	case a.Declined == (a.Score != nil):
		return answering{}, errors.New("want a score, or declined, and not both")
	case a.Declined:
		return a, nil
	case *a.Score < 0 || *a.Score > nps.MaxScore || *a.Score != float64(int(*a.Score)), utf8.RuneCountInString(a.Comment) > feedback.MaxComment,
		strings.ContainsRune(a.Comment, 0):
		return answering{}, errRange
	}
	a.Comment = strings.ReplaceAll(a.Comment, "\r\n", "\n")
	return a, nil
}

// parse reads a JSON object and nothing after it.
func parse(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errors.New("want JSON in UTF-8")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("want a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errors.New("want a JSON object with fields of their types")
	}
	return nil
}
