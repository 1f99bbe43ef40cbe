package main

// In this order: gqlgen reads what ent writes, and the SDL is printed from what gqlgen writes.
//
//go:generate go run ./ent/entc.go
//go:generate go run github.com/99designs/gqlgen
//go:generate go run ./graph/printsdl
