"""The pages' addresses, one list a subject."""

from django.urls import URLPattern, path

from approvals.web.views import account, people, registries

account_urls = [
    path("profile/", account.profile, name="profile"),
    path("security/", account.security, name="security"),
    path("security/qr.svg", account.security_qr, name="security_qr"),
    path("security/begin/", account.security_begin, name="security_begin"),
    path("security/confirm/", account.security_confirm, name="security_confirm"),
    path("security/abandon/", account.security_abandon, name="security_abandon"),
    path("security/remove/", account.security_remove, name="security_remove"),
    path("accounts/", account.accounts, name="accounts"),
    path("accounts/link/<int:pk>/", account.account_link, name="account_link"),
    path("accounts/<int:pk>/unlink/", account.account_unlink, name="account_unlink"),
]
people_urls = [
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/role/", people.person_role, name="person_role"),
    path("people/<int:pk>/deactivate/", people.person_deactivate, name="person_deactivate"),
    path("people/<int:pk>/reactivate/", people.person_reactivate, name="person_reactivate"),
    path("people/<int:pk>/lost-app/", people.person_lost_totp, name="person_lost_totp"),
    path(
        "people/invitations/<int:pk>/withdraw/",
        people.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("invitation/<str:token>/", people.invitation, name="invitation"),
]
registry_urls = [
    path("registries/", registries.registries, name="registries"),
    path("registries/add/", registries.registry_add, name="registry_add"),
    path("registries/<int:pk>/", registries.registry_edit, name="registry_edit"),
]

urlpatterns: list[URLPattern] = [*account_urls, *people_urls, *registry_urls]
