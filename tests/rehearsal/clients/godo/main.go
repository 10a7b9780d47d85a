// The account as a user of godo keeps house in it: everything the rehearsal cloud serves is made, changed, listed and deleted.
//
// Each step prints a line of JSON. A step that does not find what it expects ends the program, and so does a pointer that
// godo's users follow and that the API left out.
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

// failure is what a step did not find as expected.
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
	step("left out", leftOut)
	step("refusals", refusals)
	step("deleted", deleted)
}

// client is made as godo's own documentation has it.
func client(token string, options ...godo.ClientOpt) *godo.Client {
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	options = append(options, godo.SetBaseURL(os.Getenv("DIGITALOCEAN_API_URL")))
	made, err := godo.New(oauth2.NewClient(context.Background(), tokens), options...)
	if err != nil {
		panic(err)
	}
	return made
}

func step(name string, steps func()) {
	told := line{Step: name, OK: true}
	defer func() {
		if caught := recover(); caught != nil {
			found, expected := caught.(failure)
			if !expected {
				panic(caught)
			}
			told.OK, told.Error = false, string(found)
		}
		_ = json.NewEncoder(os.Stdout).Encode(told)
		if !told.OK {
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

func same[T comparable](what string, found, expected T) {
	check(found == expected, "%s: %v instead of %v", what, found, expected)
}

// must is what the API answered.
func must[T any](found T, _ *godo.Response, err error) T {
	check(err == nil, "%v", err)
	return found
}

func done(_ *godo.Response, err error) {
	check(err == nil, "%v", err)
}

// failing is the error of a call that answers with something.
func failing[T any](_ T, _ *godo.Response, err error) error {
	return err
}

func failed(_ *godo.Response, err error) error {
	return err
}

// refused holds an error against what godo's users look at.
func refused(status int, part string, err error) {
	var told *godo.ErrorResponse
	check(errors.As(err, &told), "not a refusal of the API: %v", err)
	same("status", told.Response.StatusCode, status)
	check(strings.Contains(told.Message, part), "%q does not tell %q", told.Message, part)
	check(told.RequestID != "" && strings.Contains(told.Error(), told.RequestID), "without the request's id: %v", told)
}

func gone(err error) {
	refused(http.StatusNotFound, "", err)
}

// listed walks through a list as godo's documentation does, two at a time.
func listed[T any](list func(context.Context, *godo.ListOptions) ([]T, *godo.Response, error)) []T {
	found := []T{}
	options := &godo.ListOptions{PerPage: 2}
	for {
		some, answer, err := list(ctx, options)
		check(err == nil, "%v", err)
		check(len(some) <= 2, "a page of %d", len(some))
		found = append(found, some...)
		if answer.Links == nil || answer.Links.IsLastPage() {
			if answer.Meta != nil {
				same("meta.total", answer.Meta.Total, len(found))
			}
			return found
		}
		page, err := answer.Links.CurrentPage()
		check(err == nil, "%v", err)
		options.Page = page + 1
	}
}

func until(what string, holds func() bool) {
	for !holds() {
		select {
		case <-ctx.Done():
			check(false, "it was not seen in time: %s", what)
		case <-time.After(pause):
		}
	}
}

// ended follows an action, which was seen in progress, to its end.
func ended(begun *godo.Action) *godo.Action {
	same("an action's first status", begun.Status, godo.ActionInProgress)
	check(begun.CompletedAt == nil, "an action in progress ended at %v", begun.CompletedAt)
	same("region of the action", begun.Region.Slug, begun.RegionSlug)
	var action *godo.Action
	until(begun.Type, func() bool {
		action = must(do.Actions.Get(ctx, begun.ID))
		return action.CompletedAt != nil
	})
	same(begun.Type, action.Status, godo.ActionCompleted)
	same("resource", action.ResourceID, begun.ResourceID)
	check(!action.CompletedAt.Before(action.StartedAt.Time), "an action that ended before it began")
	return action
}
