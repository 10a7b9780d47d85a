package main

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/digitalocean/godo"
)

func leftOut() {
	for _, err := range []error{
		failing(do.Droplets.Neighbors(ctx, machine)),
		failing(do.Droplets.Kernels(ctx, machine, nil)),
		failing(do.Droplets.Backups(ctx, machine, nil)),
		failing(do.Storage.ListVolumes(ctx, nil)),
		failing(do.VPCs.ListVPCPeerings(ctx, nil)),
		failing(do.DropletAutoscale.List(ctx, nil)),
		failing(do.Databases.List(ctx, nil)),
		failing(do.Kubernetes.List(ctx, nil)),
		failing(do.UptimeChecks.List(ctx, nil)),
		failing(do.Apps.List(ctx, nil)),
		failing(do.FloatingIPs.List(ctx, nil)),
		failing(do.Images.Create(ctx, &godo.CustomImageCreateRequest{Name: "own", Url: "http://example.com/own.img", Region: region})),
	} {
		refused(http.StatusNotFound, "The rehearsal cloud leaves out", err)
	}
}

func refusals() {
	nameless := request("")
	refused(422, "name", failing(do.Droplets.Create(ctx, nameless)))
	odd := request("under_score")
	refused(422, "hostname", failing(do.Droplets.Create(ctx, odd)))
	nowhere := request("one")
	nowhere.Region = "nowhere1"
	refused(422, "", failing(do.Droplets.Create(ctx, nowhere)))
	imageless := request("one")
	imageless.Image = godo.DropletCreateImage{Slug: "no-such-image"}
	refused(422, "image", failing(do.Droplets.Create(ctx, imageless)))
	oversized := request("one")
	oversized.Size = "no-such-size"
	refused(422, "size", failing(do.Droplets.Create(ctx, oversized)))
	keyless := request("one")
	keyless.SSHKeys = []godo.DropletCreateSSHKey{{ID: 1}}
	refused(422, "key", failing(do.Droplets.Create(ctx, keyless)))
	gone(failing(do.Droplets.Get(ctx, 1)))
	gone(failing(do.Actions.Get(ctx, 1)))
	gone(failing(do.DropletActions.Reboot(ctx, 1)))
	gone(failing(do.Domains.Get(ctx, "no-such.example")))
	gone(failing(do.LoadBalancers.Get(ctx, "4de7ac8b-495b-4884-9a69-1050c6793cd6")))
	refused(403, "", failed(do.VPCs.Delete(ctx, vpc)))
	refused(http.StatusUnauthorized, "", failing(client("nobody's").Account.Get(ctx)))
}

// deleted takes everything down again, by tag where that can be done.
func deleted() {
	done(do.Droplets.DeleteByTag(ctx, tag))
	same("droplets", len(listed(do.Droplets.List)), 0)
	for _, image := range listed(do.Images.ListUser) {
		done(do.Images.Delete(ctx, image.ID))
		gone(failing(do.Images.GetByID(ctx, image.ID)))
	}
	done(do.Certificates.Delete(ctx, certificate))
	done(do.Domains.Delete(ctx, domain))
	gone(failing(do.Domains.Get(ctx, domain)))
	until("an empty VPC", func() bool {
		err := failed(do.VPCs.Delete(ctx, vpc))
		if err != nil {
			refused(403, "", err)
		}
		return err == nil
	})
	gone(failing(do.VPCs.Get(ctx, vpc)))
	for _, one := range listed(do.Tags.List) {
		done(do.Tags.Delete(ctx, one.Name))
	}
	check(len(listed(do.Actions.List)) > 0, "the actions are gone too")
}

// limits runs into the rate limit, first without patience and then with it.
func limits() {
	step("refused at the limit", func() {
		var err error
		for err == nil {
			_, _, err = do.Account.Get(ctx)
		}
		refused(http.StatusTooManyRequests, "", err)
	})
	step("waits as told", func() {
		patient := client(os.Getenv("DIGITALOCEAN_TOKEN"), godo.WithRetryAndBackoffs(godo.RetryConfig{RetryMax: 3, RetryWaitMin: godo.PtrTo(0.0), RetryWaitMax: godo.PtrTo(30.0)}))
		_, answer, err := patient.Account.Get(ctx)
		check(err == nil, "%v", err)
		check(answer.Rate.Remaining > 0 && answer.Rate.Reset.After(time.Now()), "rate: %v", answer.Rate)
	})
	step("gives up", func() {
		var told *godo.ErrorResponse
		hasty := client(os.Getenv("DIGITALOCEAN_TOKEN"), godo.WithRetryAndBackoffs(godo.RetryConfig{RetryMax: 1, RetryWaitMin: godo.PtrTo(0.0)}))
		err := failing(hasty.Droplets.Get(ctx, 1))
		refused(http.StatusNotFound, "", err)
		check(errors.As(err, &told) && told.Attempts == 0, "a refusal that no patience changes was tried again: %v", told)
	})
}
