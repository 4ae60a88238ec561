"""The commands of `darkroom` that talk to a service, one file for each noun. None knows how HTTP is spoken: that is
darkroom.client, which is imported when a service is asked, and not for `darkroom --help`.
"""
