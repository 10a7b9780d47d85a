package main

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/digitalocean/godo"
)

func unsupported() {
	for _, err := range []error{
		errorOf(do.Droplets.Neighbors(ctx, machine)),
		errorOf(do.Droplets.Kernels(ctx, machine, nil)),
		errorOf(do.Droplets.Backups(ctx, machine, nil)),
		errorOf(do.Storage.ListVolumes(ctx, nil)),
		errorOf(do.VPCs.ListVPCPeerings(ctx, nil)),
		errorOf(do.DropletAutoscale.List(ctx, nil)),
		errorOf(do.Databases.List(ctx, nil)),
		errorOf(do.Kubernetes.List(ctx, nil)),
		errorOf(do.UptimeChecks.List(ctx, nil)),
		errorOf(do.Apps.List(ctx, nil)),
		errorOf(do.FloatingIPs.List(ctx, nil)),
		errorOf(do.Images.Create(ctx, &godo.CustomImageCreateRequest{Name: "own", Url: "http://example.com/own.img", Region: region})),
	} {
		checkError(http.StatusNotFound, "The rehearsal cloud does not support", err)
	}
}

func refusals() {
	nameless := request("")
	checkError(422, "name", errorOf(do.Droplets.Create(ctx, nameless)))
	odd := request("under_score")
	checkError(422, "hostname", errorOf(do.Droplets.Create(ctx, odd)))
	nowhere := request("one")
	nowhere.Region = "nowhere1"
	checkError(422, "", errorOf(do.Droplets.Create(ctx, nowhere)))
	imageless := request("one")
	imageless.Image = godo.DropletCreateImage{Slug: "no-such-image"}
	checkError(422, "image", errorOf(do.Droplets.Create(ctx, imageless)))
	oversized := request("one")
	oversized.Size = "no-such-size"
	checkError(422, "size", errorOf(do.Droplets.Create(ctx, oversized)))
	keyless := request("one")
	keyless.SSHKeys = []godo.DropletCreateSSHKey{{ID: 1}}
	checkError(422, "key", errorOf(do.Droplets.Create(ctx, keyless)))
	checkNotFound(errorOf(do.Droplets.Get(ctx, 1)))
	checkNotFound(errorOf(do.Actions.Get(ctx, 1)))
	checkNotFound(errorOf(do.DropletActions.Reboot(ctx, 1)))
	checkNotFound(errorOf(do.Domains.Get(ctx, "no-such.example")))
	checkNotFound(errorOf(do.LoadBalancers.Get(ctx, "4de7ac8b-495b-4884-9a69-1050c6793cd6")))
	checkError(403, "", errorFrom(do.VPCs.Delete(ctx, vpc)))
	checkError(http.StatusUnauthorized, "", errorOf(client("nobody's").Account.Get(ctx)))
}

// deleted deletes all resources, by tag where possible.
func deleted() {
	mustSucceed(do.Droplets.DeleteByTag(ctx, tag))
	checkEqual("droplets", len(listAll(do.Droplets.List)), 0)
	for _, image := range listAll(do.Images.ListUser) {
		mustSucceed(do.Images.Delete(ctx, image.ID))
		checkNotFound(errorOf(do.Images.GetByID(ctx, image.ID)))
	}
	mustSucceed(do.Certificates.Delete(ctx, certificate))
	mustSucceed(do.Domains.Delete(ctx, domain))
	checkNotFound(errorOf(do.Domains.Get(ctx, domain)))
	waitUntil("an empty VPC", func() bool {
		err := errorFrom(do.VPCs.Delete(ctx, vpc))
		if err != nil {
			checkError(403, "", err)
		}
		return err == nil
	})
	checkNotFound(errorOf(do.VPCs.Get(ctx, vpc)))
	for _, one := range listAll(do.Tags.List) {
		mustSucceed(do.Tags.Delete(ctx, one.Name))
	}
	check(len(listAll(do.Actions.List)) > 0, "the actions are gone too")
}

// limits exceeds the rate limit, first without retries and then with them.
func limits() {
	step("rejected at the limit", func() {
		var err error
		for err == nil {
			_, _, err = do.Account.Get(ctx)
		}
		checkError(http.StatusTooManyRequests, "", err)
	})
	step("waits", func() {
		retrying := client(os.Getenv("DIGITALOCEAN_TOKEN"), godo.WithRetryAndBackoffs(godo.RetryConfig{RetryMax: 3, RetryWaitMin: godo.PtrTo(0.0), RetryWaitMax: godo.PtrTo(30.0)}))
		_, answer, err := retrying.Account.Get(ctx)
		check(err == nil, "%v", err)
		check(answer.Rate.Remaining > 0 && answer.Rate.Reset.After(time.Now()), "rate: %v", answer.Rate)
	})
	step("gives up", func() {
		var result *godo.ErrorResponse
		impatient := client(os.Getenv("DIGITALOCEAN_TOKEN"), godo.WithRetryAndBackoffs(godo.RetryConfig{RetryMax: 1, RetryWaitMin: godo.PtrTo(0.0)}))
		err := errorOf(impatient.Droplets.Get(ctx, 1))
		checkError(http.StatusNotFound, "", err)
		check(errors.As(err, &result) && result.Attempts == 0, "an error that no retry can change was retried: %v", result)
	})
}
