// A program that creates, changes, lists and deletes each kind of resource with godo.
//
// Each step prints a line of JSON. A failed check ends the program, and so does a nil pointer for a
// field that is absent in a response.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"golang.org/x/oauth2"
)

const (
	region = "nyc3"
	size   = "s-1vcpu-1gb"
	stock  = "debian-12-x64"
	pause  = 20 * time.Millisecond
)

var (
	ctx context.Context
	do  *godo.Client
)

// failure is the message of a failed check.
type failure string

type line struct {
	Step  string `json:"step"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func main() {
	within, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ctx, do = within, client(os.Getenv("DIGITALOCEAN_TOKEN"))
	programs := map[string]func(){"all": all, "limits": limits}
	programs[os.Args[1]]()
}

func all() {
	step("catalogue", catalogue)
	step("keys", keys)
	step("network", network)
	step("droplets", droplets)
	step("paging", paging)
	step("power", power)
	step("changes", changes)
	step("actions by tag", actionsByTag)
	step("snapshots", snapshots)
	step("images", images)
	step("tags", tags)
	step("firewalls", firewalls)
	step("domains", domains)
	step("records", records)
	step("certificates", certificates)
	step("load balancers", loadBalancers)
	step("reserved IPs", reservedIPs)
	step("projects", projects)
	step("Spaces keys", spacesKeys)
	step("unsupported", unsupported)
	step("refusals", refusals)
	step("deleted", deleted)
}

// client returns a client as in godo's documentation.
func client(token string, options ...godo.ClientOpt) *godo.Client {
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	options = append(options, godo.SetBaseURL(os.Getenv("DIGITALOCEAN_API_URL")))
	created, err := godo.New(oauth2.NewClient(context.Background(), tokens), options...)
	if err != nil {
		panic(err)
	}
	return created
}

func step(name string, steps func()) {
	result := line{Step: name, OK: true}
	defer func() {
		if caught := recover(); caught != nil {
			found, expected := caught.(failure)
			if !expected {
				panic(caught)
			}
			result.OK, result.Error = false, string(found)
		}
		_ = json.NewEncoder(os.Stdout).Encode(result)
		if !result.OK {
			os.Exit(1)
		}
	}()
	steps()
}

func check(holds bool, format string, values ...any) {
	if !holds {
		panic(failure(fmt.Sprintf(format, values...)))
	}
}

func checkEqual[T comparable](what string, found, expected T) {
	check(found == expected, "%s: %v instead of %v", what, found, expected)
}

// must returns the result of a call that must succeed.
func must[T any](found T, _ *godo.Response, err error) T {
	check(err == nil, "%v", err)
	return found
}

func mustSucceed(_ *godo.Response, err error) {
	check(err == nil, "%v", err)
}

// errorOf returns the error of a call with a result.
func errorOf[T any](_ T, _ *godo.Response, err error) error {
	return err
}

func errorFrom(_ *godo.Response, err error) error {
	return err
}

// checkError checks the status and message of an API error.
func checkError(status int, part string, err error) {
	var result *godo.ErrorResponse
	check(errors.As(err, &result), "not an API error: %v", err)
	checkEqual("status", result.Response.StatusCode, status)
	check(strings.Contains(result.Message, part), "%q does not contain %q", result.Message, part)
	check(result.RequestID != "" && strings.Contains(result.Error(), result.RequestID), "no request id: %v", result)
}

func checkNotFound(err error) {
	checkError(http.StatusNotFound, "", err)
}

// listAll returns all items of a list, in pages of two, as in godo's documentation.
func listAll[T any](list func(context.Context, *godo.ListOptions) ([]T, *godo.Response, error)) []T {
	found := []T{}
	options := &godo.ListOptions{PerPage: 2}
	for {
		some, answer, err := list(ctx, options)
		check(err == nil, "%v", err)
		check(len(some) <= 2, "a page of %d", len(some))
		found = append(found, some...)
		if answer.Links == nil || answer.Links.IsLastPage() {
			if answer.Meta != nil {
				checkEqual("meta.total", answer.Meta.Total, len(found))
			}
			return found
		}
		page, err := answer.Links.CurrentPage()
		check(err == nil, "%v", err)
		options.Page = page + 1
	}
}

func waitUntil(what string, holds func() bool) {
	for !holds() {
		select {
		case <-ctx.Done():
			check(false, "timeout: %s", what)
		case <-time.After(pause):
		}
	}
}

// waitForAction waits until an action in progress has completed.
func waitForAction(started *godo.Action) *godo.Action {
	checkEqual("an action's first status", started.Status, godo.ActionInProgress)
	check(started.CompletedAt == nil, "an action in progress ended at %v", started.CompletedAt)
	checkEqual("region of the action", started.Region.Slug, started.RegionSlug)
	var action *godo.Action
	waitUntil(started.Type, func() bool {
		action = must(do.Actions.Get(ctx, started.ID))
		return action.CompletedAt != nil
	})
	checkEqual(started.Type, action.Status, godo.ActionCompleted)
	checkEqual("resource", action.ResourceID, started.ResourceID)
	check(!action.CompletedAt.Before(action.StartedAt.Time), "the action ends before its start")
	return action
}
