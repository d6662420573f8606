"""The pages' addresses, one list a subject."""

from django.urls import URLPattern, path

from approvals.web.views import (
    account,
    assignments,
    audit,
    calendar_feeds,
    carrying_out,
    comments,
    contents,
    decisions,
    entrance,
    files,
    findings,
    first_run,
    glass,
    health,
    measures,
    news,
    notifications,
    people,
    policies,
    provenance,
    push,
    queue,
    registries,
    releases,
    review,
    rota,
    rota_setup,
    rules,
    runbooks,
    security,
    sessions,
    teams,
    tokens,
    votes,
)

entrance_urls = [
    path("sign-in/passkey/options/", entrance.sign_in_passkey_options, name="sign_in_options"),
    path("sign-in/passkey/", entrance.sign_in_passkey, name="sign_in_passkey"),
    path("verify/", entrance.verify, name="verify"),
    path("verify/passkey/", entrance.verify_passkey, name="verify_passkey"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/<int:pk>/end/", sessions.session_end, name="session_end"),
    path("sessions/end-others/", sessions.sessions_end_others, name="sessions_end_others"),
    path("sessions/github/disconnect/", entrance.github_disconnect, name="github_disconnect"),
]

account_urls = [
    path("profile/", account.profile, name="profile"),
    path("accounts/", account.accounts, name="accounts"),
    path("accounts/link/<int:pk>/", account.account_link, name="account_link"),
    path("accounts/<int:pk>/unlink/", account.account_unlink, name="account_unlink"),
]
security_urls = [
    path("security/", security.security, name="security"),
    path("security/presence/", security.security_presence, name="security_presence"),
    path("security/allow/", security.security_allow, name="security_allow"),
    path("security/passkey/", security.security_passkey, name="security_passkey"),
    path(
        "security/passkey/options/",
        security.security_passkey_options,
        name="security_passkey_options",
    ),
    path("security/app/", security.security_begin, name="security_begin"),
    path("security/app/qr.svg", security.security_qr, name="security_qr"),
    path("security/app/confirm/", security.security_confirm, name="security_confirm"),
    path("security/app/abandon/", security.security_abandon, name="security_abandon"),
    path("security/factors/<str:key>/rename/", security.security_rename, name="security_rename"),
    path("security/factors/<str:key>/remove/", security.security_remove, name="security_remove"),
    path(
        "security/recovery-codes/", security.security_recovery_codes, name="security_recovery_codes"
    ),
]
people_urls = [
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/invite/options/", people.invite_options, name="invite_options"),
    path("people/<int:pk>/role/options/", people.person_role_options, name="person_role_options"),
    path(
        "people/<int:pk>/reactivate/options/",
        people.person_reactivate_options,
        name="person_reactivate_options",
    ),
    path("people/<int:pk>/role/", people.person_role, name="person_role"),
    path("people/<int:pk>/deactivate/", people.person_deactivate, name="person_deactivate"),
    path("people/<int:pk>/reactivate/", people.person_reactivate, name="person_reactivate"),
    path(
        "people/<int:pk>/reset-factors/",
        people.person_reset_factors,
        name="person_reset_factors",
    ),
    path(
        "people/<int:pk>/reset-factors/options/",
        people.person_reset_options,
        name="person_reset_options",
    ),
    path(
        "people/invitations/<int:pk>/withdraw/",
        people.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("invitation/<str:token>/", people.invitation, name="invitation"),
]
first_run_urls = [
    path("first-run/", first_run.first_run, name="first_run"),
    path("first-run/link/<str:token>/", first_run.first_run_begin, name="first_run_begin"),
    path("first-run/registry/", first_run.first_run_registry, name="first_run_registry"),
    path("first-run/account/", first_run.first_run_account, name="first_run_account"),
    path("first-run/finish/", first_run.first_run_finish, name="first_run_finish"),
    path("first-run/done/", first_run.first_run_done, name="first_run_done"),
]
registry_urls = [
    path("registries/", registries.registries, name="registries"),
    path("registries/add/", registries.registry_add, name="registry_add"),
    path("registries/<int:pk>/", registries.registry_edit, name="registry_edit"),
]
rule_urls = [
    path("rules/", rules.rules, name="rules"),
    path("rules/settings/<int:pk>/", rules.rule_setting, name="rule_setting"),
    path(
        "rules/settings/<int:pk>/options/", rules.rule_setting_options, name="rule_setting_options"
    ),
    path("rules/settings/<int:pk>/remove/", rules.rule_setting_remove, name="rule_setting_remove"),
    path(
        "rules/settings/<int:pk>/remove/options/",
        rules.rule_setting_remove_options,
        name="rule_setting_remove_options",
    ),
    path("rules/<str:rule>/set/", rules.rule_set, name="rule_set"),
    path("rules/<str:rule>/set/options/", rules.rule_set_options, name="rule_set_options"),
]
policy_urls = [
    path("policies/", policies.policies, name="policies"),
    path("policies/add/", policies.policy_add, name="policy_add"),
    path("policies/add/options/", policies.policy_add_options, name="policy_add_options"),
    path("policies/history/", policies.policy_history, name="policy_history"),
    path("policies/history/<int:number>/", policies.policy_revision, name="policy_revision"),
    path("policies/history/<int:number>/again/", policies.policy_restore, name="policy_restore"),
    path(
        "policies/history/<int:number>/again/options/",
        policies.policy_restore_options,
        name="policy_restore_options",
    ),
    path("policies/<slug:key>/", policies.policy, name="policy"),
    path("policies/<slug:key>/options/", policies.policy_options, name="policy_options"),
    path("policies/<slug:key>/move/", policies.policy_move, name="policy_move"),
    path(
        "policies/<slug:key>/move/options/",
        policies.policy_move_options,
        name="policy_move_options",
    ),
    path("policies/<slug:key>/remove/", policies.policy_remove, name="policy_remove"),
    path(
        "policies/<slug:key>/remove/options/",
        policies.policy_remove_options,
        name="policy_remove_options",
    ),
]
team_urls = [
    path("teams/", teams.teams, name="teams"),
    path("teams/add/", teams.team_add, name="team_add"),
    path("teams/add/options/", teams.team_add_options, name="team_add_options"),
    path("teams/<int:pk>/", teams.team, name="team"),
    path("teams/<int:pk>/options/", teams.team_options, name="team_options"),
    path("teams/<int:pk>/remove/", teams.team_remove, name="team_remove"),
    path("teams/<int:pk>/remove/options/", teams.team_remove_options, name="team_remove_options"),
]
token_urls = [
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/make/", tokens.token_make, name="token_make"),
    path("tokens/<int:pk>/revoke/", tokens.token_revoke, name="token_revoke"),
]
version_urls = [
    path("", queue.queue, name="queue"),
    path("history/", queue.history, name="history"),
    path("versions/<int:pk>/", review.version, name="version"),
    path("versions/<int:pk>/status/", review.version_status, name="version_status"),
    path("versions/<int:pk>/inspect-again/", review.inspect_again, name="inspect_again"),
    path("versions/<int:pk>/looked-at/", findings.look_at, name="look_at"),
    path("versions/<int:pk>/looked-at/take-back/", findings.take_look_back, name="take_look_back"),
    path("versions/<int:pk>/compare-with/", review.compare_with_other, name="compare_with"),
    path("versions/<int:pk>/against/", review.other_baseline_progress, name="other_progress"),
    path("versions/<int:pk>/approve/", decisions.confirm_approve, name="confirm_approve"),
    path("versions/<int:pk>/reject/", decisions.confirm_reject, name="confirm_reject"),
    path("versions/<int:pk>/registry-code/", carrying_out.answer, name="answer_registry"),
    path("versions/<int:pk>/registry-link/", carrying_out.new_link, name="new_registry_link"),
    path("versions/<int:pk>/call-off/", carrying_out.call_off, name="call_off"),
    path("healthz", health.healthz, name="healthz"),
]
assignment_urls = [
    path("versions/<int:pk>/take/", assignments.take, name="assignment_take"),
    path("versions/<int:pk>/pass-on/", assignments.pass_on, name="assignment_pass_on"),
    path("versions/<int:pk>/snooze/", assignments.snooze, name="assignment_snooze"),
]
rota_urls = [
    path("rota/", rota.rota, name="rota"),
    path("rota/add/", rota_setup.schedule_add, name="schedule_add"),
    path("rota/feed/", calendar_feeds.feed_make, name="feed_make"),
    path("rota/feeds/<int:pk>/revoke/", calendar_feeds.feed_revoke, name="feed_revoke"),
    path("rota/layers/<int:pk>/", rota_setup.layer, name="layer"),
    path("rota/layers/<int:pk>/remove/", rota_setup.layer_remove, name="layer_remove"),
    path("rota/overrides/<int:pk>/cancel/", rota.override_cancel, name="override_cancel"),
    path("rota/swaps/<int:pk>/accept/", rota.swap_accept, name="swap_accept"),
    path("rota/swaps/<int:pk>/decline/", rota.swap_decline, name="swap_decline"),
    path("rota/swaps/<int:pk>/withdraw/", rota.swap_withdraw, name="swap_withdraw"),
    path("rota/<int:pk>/", rota.schedule, name="schedule"),
    path("rota/<int:pk>/hand-over/", rota.hand_over, name="hand_over"),
    path("rota/<int:pk>/hand-over/now/", rota.hand_over_now, name="hand_over_now"),
    path("rota/<int:pk>/take-over/", rota.take_over, name="take_over"),
    path("rota/<int:pk>/overrides/add/", rota.override_add, name="override_add"),
    path("rota/<int:pk>/feed/", calendar_feeds.schedule_feed_make, name="schedule_feed_make"),
    path("rota/<int:pk>/set-up/", rota_setup.schedule_setup, name="schedule_setup"),
    path("rota/<int:pk>/set-up/about/", rota_setup.schedule_change, name="schedule_change"),
    path("rota/<int:pk>/set-up/steps/", rota_setup.schedule_steps, name="schedule_steps"),
    path("rota/<int:pk>/set-up/move/", rota_setup.schedule_move, name="schedule_move"),
    path("rota/<int:pk>/set-up/remove/", rota_setup.schedule_remove, name="schedule_remove"),
    path("rota/<int:pk>/layers/add/", rota_setup.layer_add, name="layer_add"),
    path("calendar/<str:secret>.ics", calendar_feeds.calendar_feed, name="calendar_feed"),
]
vote_urls = [
    path("versions/<int:pk>/withdraw/", votes.withdraw_approval, name="withdraw_approval"),
    path("versions/<int:pk>/changes/", votes.request_changes, name="request_changes"),
    path(
        "versions/<int:pk>/changes/<int:change_request>/let-go/",
        votes.lift_changes,
        name="lift_changes",
    ),
    path("versions/<int:pk>/comments/", comments.version_comments, name="version_comments"),
    path(
        "versions/<int:pk>/comments/<int:comment>/take-back/",
        comments.take_comment_back,
        name="take_comment_back",
    ),
    path("break-glass/", glass.break_glass, name="break_glass"),
    path("break-glass/options/", glass.break_glass_options, name="break_glass_options"),
    path("break-glass/second/", glass.second_glass, name="second_glass"),
    path("break-glass/second/options/", glass.second_glass_options, name="second_glass_options"),
]
decision_urls = [
    path("approve/", decisions.confirm_approve_several, name="confirm_approve_several"),
    path("approve/intent/", decisions.approve_intent, name="approve_intent"),
    path("reject/", decisions.confirm_reject_several, name="confirm_reject_several"),
    path("reject/intent/", decisions.reject_intent, name="reject_intent"),
    path("decisions/<uuid:decision_id>/", carrying_out.decision, name="decision"),
    path(
        "decisions/<uuid:decision_id>/status/",
        carrying_out.decision_status,
        name="decision_status",
    ),
    path("decisions/<uuid:decision_id>/pause/", carrying_out.pause, name="decision_pause"),
    path("decisions/<uuid:decision_id>/resume/", carrying_out.resume, name="decision_resume"),
    path(
        "decisions/<uuid:decision_id>/call-off/",
        carrying_out.call_off_decision,
        name="decision_call_off",
    ),
]
_release = "releases/<uuid:release_id>"
release_urls = [
    path("releases/", releases.releases, name="releases"),
    path(f"{_release}/", releases.release, name="release"),
    path(f"{_release}/status/", releases.release_status, name="release_status"),
    path(f"{_release}/choice/", releases.release_choice, name="release_choice"),
    path(f"{_release}/split/", releases.release_split, name="release_split"),
    path(f"{_release}/move/", releases.release_move, name="release_move"),
    path(f"{_release}/merge/", releases.release_merge, name="release_merge"),
]
_provenance = "versions/<int:pk>/provenance"
provenance_urls = [
    path(f"{_provenance}/", provenance.version_provenance, name="version_provenance"),
    path(f"{_provenance}/bundle/", provenance.provenance_bundle, name="provenance_bundle"),
    path(f"{_provenance}/hand-in/", provenance.hand_in_bundle, name="hand_in_bundle"),
    path(f"{_provenance}/look/", provenance.look_for_provenance_again, name="look_again"),
    path(f"{_provenance}/expected/", provenance.publisher, name="publisher"),
    path(f"{_provenance}/expected/pin/", provenance.pin_baseline, name="pin_baseline"),
    path(f"{_provenance}/expected/remove/", provenance.publisher_remove, name="publisher_remove"),
]
# Positions are those of one comparison, so that an address never comes to mean another file.
_comparison = "versions/<int:pk>/comparisons/<int:inspection>"
_file = f"{_comparison}/files/<int:position>"
file_urls = [
    path(f"{_comparison}/files/", files.version_files, name="version_files"),
    path(f"{_comparison}/unchanged/", contents.unchanged_file, name="unchanged_file"),
    path(f"{_comparison}/unchanged/raw/", contents.unchanged_raw, name="unchanged_raw"),
    path(f"{_file}/", files.file_diff, name="file_diff"),
    path(f"{_file}/rows/", files.file_rows, name="file_rows"),
    path(f"{_file}/context/", files.file_context, name="file_context"),
    path(f"{_file}/viewed/", files.file_viewed, name="file_viewed"),
    path(f"{_file}/comment/", comments.file_comment, name="file_comment"),
    path(f"{_file}/raw/<str:side>/", contents.file_raw, name="file_raw"),
    path(f"{_file}/whole/<str:side>/", contents.file_whole, name="file_whole"),
    path(f"{_file}/image/<str:side>/", contents.file_image, name="file_image"),
]
telling_urls = [
    path("audit/", audit.audit, name="audit"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/webhooks/add/", notifications.webhook_add, name="webhook_add"),
    path("notifications/webhooks/<int:pk>/", notifications.webhook_edit, name="webhook_edit"),
    path("notifications/webhooks/<int:pk>/test/", notifications.webhook_test, name="webhook_test"),
    path(
        "notifications/webhooks/<int:pk>/remove/",
        notifications.webhook_remove,
        name="webhook_remove",
    ),
    path(
        "notifications/deliveries/<int:pk>/try-now/",
        notifications.delivery_try_now,
        name="delivery_try_now",
    ),
    path(
        "notifications/deliveries/send-parked/",
        notifications.deliveries_send_parked,
        name="deliveries_send_parked",
    ),
]

_place = "news/places/<int:pk>"
news_urls = [
    path("news/", news.news, name="news"),
    path("news/<int:pk>/", news.news_open, name="news_open"),
    path("news/read/", news.news_read, name="news_read"),
    path("news/settings/", news.news_settings, name="news_settings"),
    path("news/settings/e-mail/", news.own_email, name="own_email"),
    path("news/quiet-hours/add/", news.quiet_hours_add, name="quiet_hours_add"),
    path("news/quiet-hours/<int:pk>/remove/", news.quiet_hours_remove, name="quiet_hours_remove"),
    path("news/places/add/", news.destination_add, name="destination_add"),
    path(f"{_place}/", news.destination, name="destination"),
    path(f"{_place}/test/", news.destination_test, name="destination_test"),
    path(f"{_place}/remove/", news.destination_remove, name="destination_remove"),
    path(f"{_place}/gets/add/", news.destination_subscribe, name="destination_subscribe"),
    path(
        f"{_place}/gets/<int:key>/remove/",
        news.destination_unsubscribe,
        name="destination_unsubscribe",
    ),
]
measure_urls = [
    path("measures/", measures.measures, name="measures"),
    path("measures/export/", measures.measures_export, name="measures_export"),
]
runbook_urls = [
    path("runbooks/", runbooks.runbooks, name="runbooks"),
    path("runbooks/add/", runbooks.runbook_add, name="runbook_add"),
    path("runbooks/<int:pk>/", runbooks.runbook, name="runbook"),
    path("runbooks/<int:pk>/change/", runbooks.runbook_change, name="runbook_change"),
    path("runbooks/<int:pk>/remove/", runbooks.runbook_remove, name="runbook_remove"),
]
push_urls = [
    # What lies beside the worker is all that it governs.
    path("push/worker.js", push.push_worker, name="push_worker"),
    path("push/subscribe/", push.push_subscribe, name="push_subscribe"),
    path("push/<int:pk>/test/", push.push_test, name="push_test"),
    path("push/<int:pk>/remove/", push.push_remove, name="push_remove"),
    path("notifications/webhooks/schema.json", push.webhook_schema, name="webhook_schema"),
]

urlpatterns: list[URLPattern] = [
    *entrance_urls,
    *telling_urls,
    *news_urls,
    *push_urls,
    *version_urls,
    *decision_urls,
    *vote_urls,
    *assignment_urls,
    *rota_urls,
    *release_urls,
    *provenance_urls,
    *file_urls,
    *account_urls,
    *security_urls,
    *people_urls,
    *first_run_urls,
    *registry_urls,
    *rule_urls,
    *policy_urls,
    *team_urls,
    *token_urls,
    *measure_urls,
    *runbook_urls,
]
