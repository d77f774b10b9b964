# A receiver on Sinatra that checks what it gets as Scope's document tells its readers to: sinatra.rb PORT SECRET.
# GET /seen is what passed the check.

require 'base64'
require 'json'
require 'openssl'
require 'sinatra/base'
require 'active_support'
require 'active_support/security_utils'

SECRET = ARGV[1]
SEEN = []

class Receiver < Sinatra::Base
  set :bind, '127.0.0.1'
  set :port, ARGV[0].to_i
  set :server, 'webrick'
  set :environment, :production
  set :quiet, true
  set :server_settings, { AccessLog: [], Logger: WEBrick::Log.new(File::NULL) } if defined?(WEBrick)

  def verified?(data, reported)
    computed = Base64.strict_encode64(OpenSSL::HMAC.digest('sha256', SECRET, data))
    ActiveSupport::SecurityUtils.secure_compare(computed, reported)
  end

  post '/scope' do
    request.body.rewind
    data = request.body.read
    halt 403 unless verified?(data, env['HTTP_X_SCOPE_HMAC_SHA256'].to_s)
    headers = env.select { |name, _| name.start_with?('HTTP_X_SCOPE') || name == 'CONTENT_TYPE' }
    SEEN << { path: request.path, body: data.force_encoding('UTF-8'), headers: headers }
    status 200
  end

  get '/seen' do
    content_type :json
    SEEN.to_json
  end
end

Receiver.run!
