# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rollgate_global_optspecs
    string join \n h/help V/version
end

function __fish_rollgate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rollgate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rollgate_using_subcommand
    set -l cmd (__fish_rollgate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c rollgate -n "__fish_rollgate_needs_command" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_needs_command" -s V -l version -d 'Print version'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "check" -d 'Tells everything that is wrong with a configuration'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "demo" -d 'Shows it all at work: sample services, the gateway, traffic and a live view. Needs no file'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "sample" -d 'Serves as a small sample service that says who it is'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "explain" -d 'Tells where a request would go, and why'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "simulate" -d 'Plays rollouts of a pipeline on a virtual clock: false rollbacks, exposed requests, times'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "healthcheck" -d 'Asks the internal entry point whether it serves'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "run" -d 'Serves. Takes --config FILE, or Traefik\'s own flags, or TRAEFIK_* variables'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "token" -d 'Makes tokens for the admin API'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "services" -d 'Shows services, their versions, weights and shares'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "weights" -d 'Shows, sets and resets live weights'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "brake" -d 'Takes a version out of its service at once, and gives it back'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "rollout" -d 'Begins rollouts, watches them and decides about them'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "pipeline" -d 'Shows, sends and forgets pipelines'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "events" -d 'Shows what changes: weights, brakes, configuration, breakers, health'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "audit" -d 'Shows who changed what, newest first'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "status" -d 'Shows what runs: version, generation, configuration and its problems, entry points'
complete -c rollgate -n "__fish_rollgate_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand check" -l allow-unsupported -d 'Keys that are not supported yet and may be left out' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand check" -l traefik -d 'Also lists what Traefik itself would refuse'
complete -c rollgate -n "__fish_rollgate_using_subcommand check" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand demo" -l seconds -d 'End after so many seconds [default: 30 without a terminal, never in one]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand demo" -l rollout -d 'Play a whole pipeline instead: a canary that is good, then one that fails 5% of its requests'
complete -c rollgate -n "__fish_rollgate_using_subcommand demo" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand sample" -l name -d 'What it says it is' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand sample" -l listen -d 'Where it listens; an empty host is every address' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand sample" -l version -d 'Which version of that' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand sample" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -s c -l config -d 'The configuration that `run` would be given' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -s X -l request -d 'The request\'s method' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -s H -l header -d 'A header field, `Name: value`; may be given several times' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -l client -d 'The client\'s address' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -l allow-unsupported -d 'Keys that Traefik knows and Rollgate does not only warn' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -l json -d 'For scripts'
complete -c rollgate -n "__fish_rollgate_using_subcommand explain" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -s c -l config -d 'The configuration that `run` would be given; without it nobody looks whether what a pipeline refers to is there' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l baseline-error -d 'The share of stable\'s requests that fail' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l canary-error -d 'The share of the canary\'s requests that fail, or several. One that is as good as stable is always played too' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l rps -d 'Requests a second to the service, or several' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l alpha -d 'Instead of the pipeline\'s `analysis.alpha`, or several' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l audience -d 'The share of the requests that the audience of an `abTest` sends' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l latency -d 'How long answers take: half of them no longer than the first time, 95 of 100 no longer than the second' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l slow-baseline -d 'The share of stable\'s answers that take longer than the second time' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l slow-canary -d 'The canary\'s [default: as stable\'s]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l outage -d 'Something that both versions need: after FROM this share of all requests fails for FOR, `60s,20s,30%`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l drift -d 'Stable\'s errors become SHARE in the course of OVER, and the canary\'s stay as many times as many, `3%,10m`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l break-after -d 'So many requests of the canary are as good as stable\'s; only then it fails' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l limit -d 'How long a rollout is waited for, from the canary\'s first request' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l runs -d 'Rollouts of each kind' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l seed -d 'The same seed gives the same output, to the byte' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l allow-unsupported -d 'Keys that Traefik knows and Rollgate does not only warn' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l plot -d 'Draws it too: FILE.svg, or FILE.png' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -l json -d 'For scripts'
complete -c rollgate -n "__fish_rollgate_using_subcommand simulate" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand healthcheck" -l address -d 'Where the internal entry point listens [default: ROLLGATE_INTERNAL_ADDRESS, else 127.0.0.1:8080]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and not __fish_seen_subcommand_from create hash help" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and not __fish_seen_subcommand_from create hash help" -f -a "create" -d 'Makes a token: it goes to standard output, once; what belongs into the configuration to standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and not __fish_seen_subcommand_from create hash help" -f -a "hash" -d 'Reads a token from standard input and prints the hash that belongs into the configuration'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and not __fish_seen_subcommand_from create hash help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from create" -l name -d 'Whom the audit log names' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from create" -l role -d 'What it allows: read, operate (weights and brakes too) or admin (configuration too)' -r -f -a "read\t''
operate\t''
admin\t''"
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from create" -l json -d 'Prints {"token","name","role","hash"} on standard output, and nothing else'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from hash" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "create" -d 'Makes a token: it goes to standard output, once; what belongs into the configuration to standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "hash" -d 'Reads a token from standard input and prints the hash that belongs into the configuration'
complete -c rollgate -n "__fish_rollgate_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand services" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and not __fish_seen_subcommand_from get set reset help" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and not __fish_seen_subcommand_from get set reset help" -f -a "get" -d 'Shows weights: the configuration\'s, the live ones, and what counts'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and not __fish_seen_subcommand_from get set reset help" -f -a "set" -d 'Sets live weights. They are in force on every worker when the command ends, and outlive reloads and restarts'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and not __fish_seen_subcommand_from get set reset help" -f -a "reset" -d 'Returns to the configuration\'s weights'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and not __fish_seen_subcommand_from get set reset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l reason -d 'Why, for the audit log and the events' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l if-match -d 'Only if the weights are still those that had this ETag, with or without its quotation marks' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l idempotency-key -d 'What tells a repeat from a change of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l patch -d 'The versions that are not named keep their weights'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l dry-run -d 'Changes nothing: shows what it would come to'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l reason -d 'Why, for the audit log and the events' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l if-match -d 'Only if the weights are still those that had this ETag, with or without its quotation marks' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l idempotency-key -d 'What tells a repeat from a change of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l dry-run -d 'Changes nothing: shows what it would come to'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from help" -f -a "get" -d 'Shows weights: the configuration\'s, the live ones, and what counts'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from help" -f -a "set" -d 'Sets live weights. They are in force on every worker when the command ends, and outlive reloads and restarts'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from help" -f -a "reset" -d 'Returns to the configuration\'s weights'
complete -c rollgate -n "__fish_rollgate_using_subcommand weights; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and not __fish_seen_subcommand_from set release list help" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and not __fish_seen_subcommand_from set release list help" -f -a "set" -d 'Gives a version weight 0 now, until it is released; reloads and restarts leave it so'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and not __fish_seen_subcommand_from set release list help" -f -a "release" -d 'Ends a brake: the version has its weight again'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and not __fish_seen_subcommand_from set release list help" -f -a "list" -d 'Shows what is braked, by whom and why'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and not __fish_seen_subcommand_from set release list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l reason -d 'Why, for the audit log and the events' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l reason -d 'Why, for the audit log and the events' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from help" -f -a "set" -d 'Gives a version weight 0 now, until it is released; reloads and restarts leave it so'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from help" -f -a "release" -d 'Ends a brake: the version has its weight again'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from help" -f -a "list" -d 'Shows what is braked, by whom and why'
complete -c rollgate -n "__fish_rollgate_using_subcommand brake; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "start" -d 'Begins a rollout of a pipeline. It goes on by itself when the command ends'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "status" -d 'Shows how far a rollout is and what it waits for, or all that have not ended'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "list" -d 'Shows rollouts, the newest first, those that have ended too'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "history" -d 'Shows rollouts, the newest first, those that have ended too'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "show" -d 'Shows all of a rollout: its stages, the numbers that have decided, what has happened'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "approve" -d 'Says yes to the question of an `approve` stage'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "deny" -d 'Says no to it: the rollout fails'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "pause" -d 'Has nothing begin and nothing grow; the weights stay, the canary is judged on'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "resume" -d 'Goes on after a pause'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "retry" -d 'Tries the stage that has failed once more'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "skip" -d 'Passes the stage over; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "abort" -d 'Ends the rollout: the weights are what they were before'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "promote" -d 'Gives the canary all users now, whatever is still to come; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and not __fish_seen_subcommand_from start status list history show approve deny pause resume retry skip abort promote help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l build -d 'What tells the canary\'s build apart; shown with the rollout' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l idempotency-key -d 'What tells a repeat from a rollout of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l watch -d 'Watches it to its end: a picture on a terminal, else a line for each change'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l watch -d 'Watches it to its end: a picture on a terminal, else a line for each change'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l service -d 'Only rollouts of this service, by its qualified name: `pro@file`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l pipeline -d 'Only rollouts of this pipeline, by its qualified name: `release@file`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l status -d 'Only rollouts that stand so; several with commas between them' -r -f -a "PENDING\t''
RUNNING\t''
WAITING\t''
PAUSED\t''
SUCCEEDED\t''
ROLLED_BACK\t''
FAILED\t''
CANCELED\t''"
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l limit -d 'So many rollouts at most' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l service -d 'Only rollouts of this service, by its qualified name: `pro@file`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l pipeline -d 'Only rollouts of this pipeline, by its qualified name: `release@file`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l status -d 'Only rollouts that stand so; several with commas between them' -r -f -a "PENDING\t''
RUNNING\t''
WAITING\t''
PAUSED\t''
SUCCEEDED\t''
ROLLED_BACK\t''
FAILED\t''
CANCELED\t''"
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l limit -d 'So many rollouts at most' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from deny" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from skip" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l reason -d 'Why, for its history and the audit log' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l idempotency-key -d 'What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "start" -d 'Begins a rollout of a pipeline. It goes on by itself when the command ends'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "status" -d 'Shows how far a rollout is and what it waits for, or all that have not ended'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "list" -d 'Shows rollouts, the newest first, those that have ended too'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "show" -d 'Shows all of a rollout: its stages, the numbers that have decided, what has happened'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "approve" -d 'Says yes to the question of an `approve` stage'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "deny" -d 'Says no to it: the rollout fails'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Has nothing begin and nothing grow; the weights stay, the canary is judged on'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Goes on after a pause'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Tries the stage that has failed once more'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "skip" -d 'Passes the stage over; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "abort" -d 'Ends the rollout: the weights are what they were before'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "promote" -d 'Gives the canary all users now, whatever is still to come; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -f -a "list" -d 'Shows all pipelines: the configuration\'s and those that were sent'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -f -a "show" -d 'Shows a pipeline, its stages and what is wrong with it'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -f -a "put" -d 'Sends a pipeline, in place of the one that was sent under its name before'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -f -a "delete" -d 'Forgets a pipeline that was sent. Rollouts of it go on'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and not __fish_seen_subcommand_from list show put delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from put" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "list" -d 'Shows all pipelines: the configuration\'s and those that were sent'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "show" -d 'Shows a pipeline, its stages and what is wrong with it'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "put" -d 'Sends a pipeline, in place of the one that was sent under its name before'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Forgets a pipeline that was sent. Rollouts of it go on'
complete -c rollgate -n "__fish_rollgate_using_subcommand pipeline; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l since -d 'Begins after the event with this id' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l limit -d 'Ends after so many events; without --follow and --since these are the oldest that are kept' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l type -d 'Only events of this type, as `weights.set`, or `weights` for all of that family; may be given several times' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -s f -l follow -d 'Waits for more, and connects again where it left off if the connection is lost'
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand events" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l service -d 'Only changes of this service, by its qualified name: `pro@file`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l actor -d 'Only changes by this token, certificate or other caller' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l action -d 'Only changes of this kind, as `weights.set`' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l since -d 'Only changes from this time on: 2026-11-26T10:00:00Z, or 2h for two hours ago' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l until -d 'Only changes before this time' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l limit -d 'So many changes at most' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand audit" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l address -d 'The admin API\'s address, with its base path if it has one [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]' -r -f
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l token-file -d 'A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l ca -d 'Authorities of the gateway\'s certificate, PEM [default: the machine\'s]' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l client-certificate -d 'A certificate to show, PEM, with those that signed it behind it' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l client-key -d 'The key of that certificate, PEM' -r -F
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l timeout -d 'What one request may take: 500ms, 10s, 1m' -r
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -l json -d 'For scripts: the API\'s JSON; what goes wrong is a problem document on standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand status" -s h -l help -d 'Print help'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "check" -d 'Tells everything that is wrong with a configuration'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "demo" -d 'Shows it all at work: sample services, the gateway, traffic and a live view. Needs no file'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "sample" -d 'Serves as a small sample service that says who it is'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "explain" -d 'Tells where a request would go, and why'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "simulate" -d 'Plays rollouts of a pipeline on a virtual clock: false rollbacks, exposed requests, times'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "healthcheck" -d 'Asks the internal entry point whether it serves'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "run" -d 'Serves. Takes --config FILE, or Traefik\'s own flags, or TRAEFIK_* variables'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "token" -d 'Makes tokens for the admin API'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "services" -d 'Shows services, their versions, weights and shares'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "weights" -d 'Shows, sets and resets live weights'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "brake" -d 'Takes a version out of its service at once, and gives it back'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "rollout" -d 'Begins rollouts, watches them and decides about them'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "pipeline" -d 'Shows, sends and forgets pipelines'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "events" -d 'Shows what changes: weights, brakes, configuration, breakers, health'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "audit" -d 'Shows who changed what, newest first'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "status" -d 'Shows what runs: version, generation, configuration and its problems, entry points'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and not __fish_seen_subcommand_from check demo sample explain simulate healthcheck run token services weights brake rollout pipeline events audit status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "create" -d 'Makes a token: it goes to standard output, once; what belongs into the configuration to standard error'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "hash" -d 'Reads a token from standard input and prints the hash that belongs into the configuration'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from weights" -f -a "get" -d 'Shows weights: the configuration\'s, the live ones, and what counts'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from weights" -f -a "set" -d 'Sets live weights. They are in force on every worker when the command ends, and outlive reloads and restarts'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from weights" -f -a "reset" -d 'Returns to the configuration\'s weights'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from brake" -f -a "set" -d 'Gives a version weight 0 now, until it is released; reloads and restarts leave it so'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from brake" -f -a "release" -d 'Ends a brake: the version has its weight again'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from brake" -f -a "list" -d 'Shows what is braked, by whom and why'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "start" -d 'Begins a rollout of a pipeline. It goes on by itself when the command ends'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "status" -d 'Shows how far a rollout is and what it waits for, or all that have not ended'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "list" -d 'Shows rollouts, the newest first, those that have ended too'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "show" -d 'Shows all of a rollout: its stages, the numbers that have decided, what has happened'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "approve" -d 'Says yes to the question of an `approve` stage'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "deny" -d 'Says no to it: the rollout fails'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "pause" -d 'Has nothing begin and nothing grow; the weights stay, the canary is judged on'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "resume" -d 'Goes on after a pause'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "retry" -d 'Tries the stage that has failed once more'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "skip" -d 'Passes the stage over; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "abort" -d 'Ends the rollout: the weights are what they were before'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "promote" -d 'Gives the canary all users now, whatever is still to come; takes a reason'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "list" -d 'Shows all pipelines: the configuration\'s and those that were sent'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "show" -d 'Shows a pipeline, its stages and what is wrong with it'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "put" -d 'Sends a pipeline, in place of the one that was sent under its name before'
complete -c rollgate -n "__fish_rollgate_using_subcommand help; and __fish_seen_subcommand_from pipeline" -f -a "delete" -d 'Forgets a pipeline that was sent. Rollouts of it go on'
