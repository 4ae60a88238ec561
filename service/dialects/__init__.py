"""Other people's APIs over the same jobs: each translates a request to a job, and the job to its own answer."""
